"$TGCTL" matrix site.cfg 2>/dev/null
