"$TGCTL" check nowhere.cfg
