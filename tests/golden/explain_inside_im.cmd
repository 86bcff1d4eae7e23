"$TGCTL" explain site.cfg --from 10.1.2.3 --transport tcp --method MESSAGE 2>/dev/null
