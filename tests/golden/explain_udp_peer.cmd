"$TGCTL" explain site.cfg --from 192.0.2.21 --transport udp 2>/dev/null
