# Postfix in the foreground: its directories, then its master.
set -eu
cd {{ plan.home }}/mail/postfix
chmod 644 ../openssl.cnf
install -d -o postfix -m 700 data
install -d queue queue/pid
for name in active bounce corrupt defer deferred flush hold incoming private saved trace; do
  install -d -o postfix -m 700 "queue/$name"
done
install -d -o postfix -g postdrop -m 730 queue/maildrop
install -d -o postfix -g postdrop -m 710 queue/public
chgrp postfix domains.cf mailboxes.cf ours.cf suspended.cf
chmod 640 domains.cf mailboxes.cf ours.cf suspended.cf
# Postfix waits where a file it reads is not yet a second old.
touch -d @0 ./*.cf
exec /usr/lib/postfix/sbin/master -c {{ plan.home }}/mail/postfix -s
