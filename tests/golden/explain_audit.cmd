"$TGCTL" explain site.cfg --from 192.0.2.22 --transport udp 2>/dev/null
