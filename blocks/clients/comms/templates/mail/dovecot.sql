driver = pgsql
connect = host={{ plan.database.host }} port={{ plan.database.port }} dbname={{ plan.database.database }} user={{ plan.database.user }} password={{ plan.database.password }}
{% for name, value in queries.items() %}
{{ name }} = {{ value }}
{% endfor %}
