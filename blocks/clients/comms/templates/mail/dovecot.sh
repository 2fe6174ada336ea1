# Dovecot in the foreground. Its mail belongs to a user of its own, who needs no entry in the system's list.
set -eu
cd {{ plan.home }}/mail
chmod 644 openssl.cnf
install -d -o {{ uid }} -g {{ uid }} -m 700 store
install -d -o root -g postfix -m 750 sockets
rm -f dovecot/run/anvil-auth-penalty
exec dovecot -F -c {{ plan.home }}/mail/dovecot.conf
