"$TGCTL" matrix resume.cfg 2>/dev/null
