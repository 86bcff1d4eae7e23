"$TGCTL" explain site.cfg --from 203.0.113.9 --transport tls --cert pki/gw1.pem --at 2030-01-01T00:00:00Z 2>/dev/null
