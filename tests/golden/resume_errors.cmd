"$TGCTL" check resume_errors.cfg
