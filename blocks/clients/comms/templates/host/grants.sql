-- Roles of the servers, each with what it needs and no more. Run by the database's owner or a superuser, once the
-- worker has made the tables (dogovor comms tables); it can be run again. Passwords are SCRAM verifiers.
{% for role, verifier in roles.items() %}
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{{ role }}') THEN CREATE ROLE {{ role }} LOGIN; END IF;
END $$;
ALTER ROLE {{ role }} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '{{ verifier }}';
GRANT USAGE ON SCHEMA public TO {{ role }};
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {{ role }};
{% endfor %}

GRANT SELECT ON mail_domain, mail_account TO {{ mail }};
GRANT SELECT ON domain, subscriber_active, version TO {{ sip }};
GRANT SELECT ON users TO {{ xmpp }};

DO $$ DECLARE held text; taker text; BEGIN
  FOR held IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN ({{ directory }}) LOOP
    taker := CASE WHEN held IN ('version') THEN NULL
                  WHEN held IN ('dialog', 'dialog_vars', 'location', 'location_attrs') THEN '{{ sip }}'
                  ELSE '{{ xmpp }}' END;
    IF taker IS NOT NULL THEN
      EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO %I', held, taker);
    END IF;
  END LOOP;
END $$;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {{ xmpp }}, {{ sip }};
