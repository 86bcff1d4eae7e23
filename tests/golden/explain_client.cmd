"$TGCTL" explain site.cfg --from 198.51.100.7 --transport wss --at 2030-01-01T00:00:00Z --to gateway1 2>/dev/null
