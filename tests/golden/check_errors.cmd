"$TGCTL" check errors.cfg
