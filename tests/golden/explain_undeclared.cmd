"$TGCTL" explain site.cfg --from 203.0.113.9 --transport udp 2>/dev/null
