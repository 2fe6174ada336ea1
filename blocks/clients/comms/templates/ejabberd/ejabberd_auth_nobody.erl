%% SCRAM's challenge comes before any proof: accounts that do not exist must be challenged too, the same every time,
%% or whoever asks learns which names exist. Their salts hang on a secret of ours; no proof fits their keys.
-module(ejabberd_auth_nobody).
-behaviour(ejabberd_auth).
-export([start/1, stop/1, reload/1, plain_password_required/1, store_type/1, user_exists/2, get_password/2]).

start(_Host) -> ok.
stop(_Host) -> ok.
reload(_Host) -> ok.
plain_password_required(_Host) -> false.
store_type(Host) -> ejabberd_auth:password_format(Host).
user_exists(_User, _Host) -> {nocache, false}.

%% ejabberd asks here too whether an account exists, and then none does: only a login gets the challenge.
get_password(User, Host) ->
    {current_stacktrace, Callers} = erlang:process_info(self(), current_stacktrace),
    case lists:keymember(xmpp_sasl_scram, 1, Callers) of
        true -> {nocache, {ok, challenge(User, Host)}};
        false -> {nocache, error}
    end.

challenge(User, Host) ->
    <<Salt:16/binary, _/binary>> = made(User, Host, <<"salt">>),
    Key = fun(What) -> base64:encode(made(User, Host, What)) end,
    {scram, Key(<<"stored">>), Key(<<"server">>), base64:encode(Salt), sha256, {{ iterations }}}.

made(User, Host, What) ->
    crypto:mac(hmac, sha256, ejabberd_option:sql_password(Host), [What, 0, User, 0, Host]).
