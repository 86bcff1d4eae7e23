"$TGCTL" help
