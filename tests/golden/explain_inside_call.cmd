"$TGCTL" explain site.cfg --from 10.1.2.3 --transport tcp --to gateway3 2>/dev/null
