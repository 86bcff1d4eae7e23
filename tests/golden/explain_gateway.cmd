"$TGCTL" explain site.cfg --from 192.0.2.21 --transport tls --cert pki/gw1.pem --at 2030-01-01T00:00:00Z --to gateway2 --route trunk 2>/dev/null
