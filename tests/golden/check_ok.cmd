"$TGCTL" check site.cfg
