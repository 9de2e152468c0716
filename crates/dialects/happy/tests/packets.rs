//! Packets, as libraries write and read them.

use std::borrow::Cow;

use proptest::prelude::*;
use rejoin_happy::packet::{self, Body, DEPTH, Engine, Message, Open, Unreadable, payload};
use serde_json::json;
use serde_json::value::RawValue;

fn raw(json: &str) -> &RawValue {
    serde_json::from_str(json).unwrap()
}

/// What a packet says, in a form that can be compared.
fn said(text: &str) -> String {
    match Message::decode(text) {
        Ok(message) => format!("{message:?}"),
        Err(error) => format!("refused: {error}"),
    }
}

#[test]
fn packets_of_the_main_namespace_and_of_others_are_read() {
    for (text, namespace) in
        [("2[\"ping\"]", "/"), ("2/happy,[\"ping\"]", "/happy"), ("2/a-b?c=d,[\"ping\"]", "/a-b?c=d")]
    {
        let message = Message::decode(text).unwrap();
        assert_eq!(message.namespace, namespace);
        assert!(
            matches!(message.body, Body::Event { ack: None, name: Cow::Borrowed("ping"), args } if args.is_empty())
        );
        assert_eq!(message_text(text), text);
    }
    assert!(matches!(Message::decode("0").unwrap().body, Body::Connect(None)));
    assert!(matches!(Message::decode("1/happy,").unwrap(), Message { namespace: "/happy", body: Body::Disconnect }));
    assert!(matches!(Message::decode("1/happy").unwrap(), Message { namespace: "/happy", body: Body::Disconnect }));
    let ack = Message::decode("3/happy,12[{\"a\": 1},2]").unwrap();
    assert!(matches!(ack.body, Body::Ack { id: 12, args } if args[0].get() == "{\"a\": 1}" && args[1].get() == "2"));
}

fn message_text(text: &str) -> String {
    Message::decode(text).unwrap().to_string()
}

#[test]
fn what_an_event_carries_stays_the_exact_text_that_came() {
    let text = r#"27["message",{"b":1.50, "a":"\u00e9\ud800" ,"b":  [1E2]}]"#;
    let message = Message::decode(text).unwrap();
    let Body::Event { ack: Some(7), name, args } = message.body else { panic!("{text}") };
    assert_eq!((&*name, args[0].get()), ("message", r#"{"b":1.50, "a":"\u00e9\ud800" ,"b":  [1E2]}"#));
}

#[test]
fn what_is_no_packet_is_refused_with_its_reason() {
    let refused = [
        ("", "a packet is empty"),
        ("7", "there is no packet of type '7'"),
        ("é", "there is no packet of type 'é'"),
        ("51-[\"x\",{\"_placeholder\":true,\"num\":0}]", "binary packets are not spoken here"),
        ("61-1[]", "binary packets are not spoken here"),
        ("1[]", "a packet carries more than it may"),
        ("2", "a packet has no body"),
        ("2[]", "an event has no name"),
        ("2[1]", "an event has no name"),
        ("2[\"disconnect\"]", "\"disconnect\" is no name for an event"),
        ("2[\"\\u0063onnect\"]", "\"connect\" is no name for an event"),
        ("2{\"a\":1}", "a packet's body is not what its type says"),
        ("2[\"a\"", "a packet's body is not what its type says"),
        ("2[\"a\"]]", "a packet's body is not what its type says"),
        ("2[\"a\u{1}\"]", "a packet's body is not what its type says"),
        ("3[1]", "an ack has no number"),
        ("39007199254740992[1]", "an ack has a number above 9007199254740991"),
        ("3999999999999999999999999[1]", "an ack has a number above 9007199254740991"),
        ("0{", "a packet's body is not what its type says"),
    ];
    for (text, reason) in refused {
        assert_eq!(said(text), format!("refused: {reason}"), "{text}");
    }
    assert!(matches!(Message::decode("39007199254740991[1]").unwrap().body, Body::Ack { id: packet::LARGEST_ACK, .. }));
}

#[test]
fn everything_in_a_packet_has_a_bound() {
    let long = format!("2/{},[\"a\"]", "n".repeat(packet::NAMESPACE));
    assert!(matches!(Message::decode(&long), Err(Unreadable::Namespace(_))));

    let list = |count: usize| format!("2[\"a\"{}]", ",1".repeat(count));
    assert!(Message::decode(&list(packet::ARGUMENTS)).is_ok());
    assert!(matches!(Message::decode(&list(packet::ARGUMENTS + 1)), Err(Unreadable::Body(_))));

    let nested = |depth: usize| format!("2[\"a\",{}{}]", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert!(Message::decode(&nested(DEPTH)).is_ok());
    assert!(matches!(Message::decode(&nested(DEPTH + 1)), Err(Unreadable::Depth)));
    assert!(serde_json::from_str::<serde_json::Value>(&nested(DEPTH)[1..]).is_ok(), "others can read it too");
    // Brackets that nest in nothing, and such in texts.
    assert!(Message::decode(&format!("2[\"a\",[{}[]]]", "[],".repeat(500))).is_ok());
    assert!(Message::decode(&format!("2[\"a\",\"\\\"{}\"]", "[".repeat(500))).is_ok());
    assert!(matches!(Message::decode(&format!("0{}", "[".repeat(900_000))), Err(Unreadable::Depth)));
}

#[test]
fn packets_are_built_as_libraries_expect_them() {
    let arg = json!({ "body": "…" });
    assert_eq!(packet::event("/", None, "update", &arg).unwrap(), r#"42["update",{"body":"…"}]"#);
    assert_eq!(
        packet::event("/happy", Some(3), "rpc-request", raw("{ }")).unwrap(),
        r#"42/happy,3["rpc-request",{ }]"#
    );
    assert_eq!(packet::ack("/happy", 12, "x").unwrap(), r#"43/happy,12["x"]"#);
    assert_eq!(packet::connect("/", &json!({ "token": "t" })).unwrap(), r#"40{"token":"t"}"#);
    assert_eq!(packet::connected("/happy", "abc", &[]), r#"40/happy,{"sid":"abc"}"#);
    assert_eq!(packet::connect_error("/", "Invalid namespace"), r#"44{"message":"Invalid namespace"}"#);
    assert_eq!((&*packet::disconnect("/"), &*packet::disconnect("/happy")), ("41", "41/happy,"));
}

#[test]
fn engine_packets_are_what_they_are_written_as() {
    for (text, packet) in [
        ("0{}", Engine::Open("{}")),
        ("1", Engine::Close),
        ("2", Engine::Ping("")),
        ("2probe", Engine::Ping("probe")),
        ("3probe", Engine::Pong("probe")),
        ("42[]", Engine::Message("2[]")),
        ("5", Engine::Upgrade),
        ("6", Engine::Noop),
    ] {
        assert_eq!((Engine::decode(text).unwrap(), &*packet.to_string()), (packet, text));
    }
    assert!(matches!(Engine::decode("bAAAA"), Err(Unreadable::Binary)));
    assert!(matches!(Engine::decode(""), Err(Unreadable::Empty)));

    let open = r#"{"sid":"s","upgrades":["websocket"],"pingInterval":15000,"pingTimeout":45000,"maxPayload":1000000}"#;
    let read: Open = serde_json::from_str(open).unwrap();
    assert_eq!((read.ping_interval, read.max_payload), (15_000, Some(1_000_000)));
    assert_eq!(serde_json::to_string(&read).unwrap(), open);
}

#[test]
fn a_payload_is_its_packets() {
    assert_eq!(payload::split("").count(), 0);
    let mut joined = String::new();
    for packet in ["2", "42[\"a\"]", "6"] {
        payload::join(&mut joined, packet);
    }
    assert_eq!(joined, "2\u{1e}42[\"a\"]\u{1e}6");
    assert_eq!(payload::split(&joined).collect::<Vec<_>>(), ["2", "42[\"a\"]", "6"]);
}

fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        any::<i64>().prop_map(|number| number.to_string()),
        Just("null".to_owned()),
        Just("{ \"spaced\" : 1.500 }".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(" ,")))
    })
}

proptest! {
    /// Whatever is written is read as the same, and written as the same again.
    #[test]
    fn a_packet_survives_its_journey(
        namespace in prop_oneof![Just("/".to_owned()), "/[a-z]{1,20}"],
        kind in 0..5,
        number in prop::option::of(0..=packet::LARGEST_ACK),
        name in any::<String>(),
        args in prop::collection::vec(json_text(), 0..5),
    ) {
        let args: Vec<&RawValue> = args.iter().map(|arg| raw(arg)).collect();
        let body = match kind {
            // A payload that begins with a digit would be read as a number; none does, they are objects.
            0 => Body::Connect(args.first().copied().filter(|arg| arg.get().starts_with(['{', '[']))),
            1 => Body::Disconnect,
            2 => Body::Event { ack: number, name: format!("x{name}").into(), args },
            3 => Body::Ack { id: number.unwrap_or(0), args },
            _ => Body::ConnectError(args.first().copied().filter(|arg| arg.get().starts_with('"'))),
        };
        let text = Message { namespace: &namespace, body: body.clone() }.to_string();
        let read = Message::decode(&text).unwrap();
        prop_assert_eq!(read.namespace, &namespace);
        prop_assert_eq!(format!("{:?}", read.body), format!("{:?}", body));
        prop_assert_eq!(read.to_string(), text);
    }

    #[test]
    fn nothing_that_comes_panics(text in any::<String>(), kind in 0..7_u8, tail in "[0-9/,{}\\[\\]\"\\\\a-z\u{1e}é-]{0,40}") {
        let _ = Engine::decode(&text).map(|packet| packet.to_string());
        let _ = Message::decode(&text).map(|message| message.to_string());
        let _ = Message::decode(&format!("{kind}{tail}")).map(|message| message.to_string());
        payload::split(&text).for_each(|packet| drop(Engine::decode(packet).map(|_| ())));
    }
}
