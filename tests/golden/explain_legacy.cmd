"$TGCTL" explain site.cfg --from 192.0.2.23 --transport tcp 2>/dev/null
