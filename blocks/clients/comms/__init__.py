"""The communications complex: XMPP, mail and SIP servers, their domains and accounts, and proofs that they work."""
