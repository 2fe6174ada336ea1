%% Customers share a server and must not meet on it: a stanza passes only within one customer's names.
%% To anybody else the sender is told what it would be told of a server that does not exist.
%% And who logged in before its account was suspended gets no session after it: a login and its session are two steps.
-module(mod_own_customer).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0, filter/1, opened/1]).

start(Host, _Options) ->
    ejabberd_hooks:add(c2s_session_opened, Host, ?MODULE, opened, 1),
    ejabberd_hooks:add(filter_packet, ?MODULE, filter, 1).

stop(Host) ->
    ejabberd_hooks:delete(c2s_session_opened, Host, ?MODULE, opened, 1),
    case gen_mod:is_loaded_elsewhere(Host, ?MODULE) of
        true -> ok;
        false -> ejabberd_hooks:delete(filter_packet, ?MODULE, filter, 1)
    end.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Options) -> [].
mod_options(_Host) -> [].
mod_doc() -> #{desc => <<"Keeps customers apart.">>}.

%% The session is listed by now: whoever suspends the account either sees it, or has suspended it before we look.
opened(#{user := User, lserver := Server} = State) ->
    case ejabberd_auth:user_exists(User, Server) of
        true -> State;
        false -> {stop, ejabberd_c2s:send(State, xmpp:serr_not_authorized())}
    end.

filter(drop) -> drop;
filter(Packet) ->
    {_, From, _} = Sender = jid:tolower(xmpp:get_from(Packet)),
    {_, To, _} = jid:tolower(xmpp:get_to(Packet)),
    case same(From, To) of
        true -> Packet;
        false -> refuse(Sender, Packet), drop
    end.

same(Name, Name) -> true;
same(One, Other) ->
    Owner = owner(One),
    Owner =/= nobody andalso Owner =:= owner(Other).

owner(Name) ->
    try ejabberd_router:host_of_route(Name)
    catch error:_ -> nobody
    end.

refuse({User, Server, _}, Packet) ->
    Answered = lists:member(xmpp:get_type(Packet), [error, result, headline]),
    case User =/= <<>> andalso not Answered andalso ejabberd_router:is_my_host(Server) of
        true -> ejabberd_sm:route(xmpp:make_error(Packet, xmpp:err_remote_server_not_found()));
        false -> ok
    end.
