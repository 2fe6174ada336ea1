# OpenDKIM in the foreground: a user of its own reads the key, and only Postfix reaches the socket.
set -eu
cd {{ plan.home }}/mail
install -d -o root -g postfix -m 750 sockets
install -d -o opendkim -g postfix -m 2750 sockets/dkim
chgrp opendkim dkim/mail.private dkim/keys dkim/signers opendkim.conf
chmod 640 dkim/mail.private dkim/keys dkim/signers opendkim.conf
rm -f sockets/dkim/socket
exec setpriv --reuid=opendkim --regid=opendkim --groups=postfix -- opendkim -f -x {{ plan.home }}/mail/opendkim.conf
