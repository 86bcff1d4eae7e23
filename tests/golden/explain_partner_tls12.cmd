"$TGCTL" explain site.cfg --from 203.0.113.9 --transport tls --version 1.2 --cert pki/partner.pem --at 2030-01-01T00:00:00Z --route partners 2>/dev/null
