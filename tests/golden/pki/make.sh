#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Makes the certificates of the golden files anew: two CAs, leaves of theirs,
# one of them revoked. Only what is public is kept; run with --bless after it.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
from=20200101000000Z
to=21200101000000Z

ca() {
	mkdir -p "$work/$1"
	: >"$work/$1/index"
	echo 1000 >"$work/$1/serial"
	cat >"$work/$1/conf" <<EOF
[ca]
default_ca = c
[c]
dir = $work/$1
database = \$dir/index
serial = \$dir/serial
new_certs_dir = \$dir
default_md = sha256
policy = p
unique_subject = no
copy_extensions = none
[p]
commonName = supplied
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
EOF
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-keyout "$work/$1/key" -out "$work/$1/csr" -subj "/CN=$1" 2>/dev/null
	openssl ca -batch -config "$work/$1/conf" -selfsign -notext \
		-keyfile "$work/$1/key" -in "$work/$1/csr" -out "$1.pem" \
		-startdate $from -enddate $to -extensions root 2>/dev/null
}

# leaf CA NAME SAN...
leaf() {
	ca=$1 name=$2 san=$3
	cat >"$work/ext" <<EOF
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = $san
EOF
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-keyout "$work/key" -out "$work/csr" -subj "/CN=$name" 2>/dev/null
	openssl ca -batch -config "$work/$ca/conf" -notext -cert "$ca.pem" \
		-keyfile "$work/$ca/key" -in "$work/csr" -out "$name.pem" \
		-startdate $from -enddate $to -extfile "$work/ext" 2>/dev/null
}

ca enterprise-ca
ca partner-ca
leaf enterprise-ca gw1 DNS:gw1.example.com
leaf enterprise-ca gw2 "URI:sip:gw2.example.com,DNS:other.example.com"
leaf enterprise-ca revoked DNS:gw1.example.com
leaf partner-ca partner DNS:sip.partner.example
leaf partner-ca stolen-name DNS:gw1.example.com
openssl ca -config "$work/enterprise-ca/conf" -cert enterprise-ca.pem \
	-keyfile "$work/enterprise-ca/key" -revoke revoked.pem 2>/dev/null
for ca in enterprise-ca partner-ca; do
	openssl ca -config "$work/$ca/conf" -cert "$ca.pem" \
		-keyfile "$work/$ca/key" -gencrl -crl_lastupdate $from \
		-crl_nextupdate $to -out "$ca.crl.pem" 2>/dev/null
done
