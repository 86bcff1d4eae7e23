"$TGCTL" explain site.cfg --from 198.51.100.7 --transport udp --method REGISTER 2>/dev/null
