//! Commands: their names on the wire, and what becomes of each in every state of a session.

use rejoin_core::command::Command;
use rejoin_core::happening::Happening;
use rejoin_core::id::ClientId;
use rejoin_core::position::Seq;
use serde_json::{Value, json};

use crate::story::{Story, confirm, kinds, person};

macro_rules! commands {
    ($($pattern:pat => $text:literal)*) => {
        /// One command of every kind that travels, as clients write it.
        const WRITTEN: &[&str] = &[$($text),*];

        /// Does not compile while a command is missing from the table.
        fn is_in_the_table(command: &Command) -> bool {
            match command {
                $($pattern => true,)*
                Command::Detached { .. } => false, // doors send it, people do not
            }
        }

        /// Whether the n-th text is read as the n-th kind.
        fn is_number(n: usize, command: &Command) -> bool {
            let tests: &[fn(&Command) -> bool] = &[$(|command| matches!(command, $pattern)),*];
            tests[n](command)
        }
    };
}

commands! {
    Command::Prompt { .. } => r#"{"type":"prompt","text":"x","attachments":[],"ifBusy":"queue","reference":"mine"}"#
    Command::Steer { .. } => r#"{"type":"steer","text":"x"}"#
    Command::Interrupt { .. } => r#"{"type":"interrupt","reason":"why","clearQueue":true}"#
    Command::Answer { .. } => r#"{"type":"answer","ask":"a","answer":{"kind":"confirm","confirmed":true}}"#
    Command::Enqueue { .. } => r#"{"type":"enqueue","text":"x","attachments":[],"reference":null}"#
    Command::Edit { .. } => r#"{"type":"edit","item":"q","text":"x"}"#
    Command::Move { .. } => r#"{"type":"move","item":"q","before":null}"#
    Command::Dequeue { .. } => r#"{"type":"dequeue","item":"q"}"#
    Command::Claim { .. } => r#"{"type":"claim","quietly":false}"#
    Command::Release => r#"{"type":"release"}"#
    Command::Takeover => r#"{"type":"takeover"}"#
    Command::RespondTakeover { .. } => r#"{"type":"respond-takeover","approve":true,"requester":null}"#
    Command::Fork { .. } => r#"{"type":"fork","message":"m","title":"t","into":"s-2"}"#
    Command::Revert { .. } => r#"{"type":"revert","message":"m","inclusive":false}"#
    Command::Compact => r#"{"type":"compact"}"#
    Command::Close => r#"{"type":"close"}"#
    Command::Reopen => r#"{"type":"reopen"}"#
    Command::Archive => r#"{"type":"archive"}"#
    Command::Unarchive => r#"{"type":"unarchive"}"#
    Command::Rename { .. } => r#"{"type":"rename","title":"a name"}"#
    Command::Label { .. } => r#"{"type":"label","labels":{"k":"v"}}"#
    Command::SetModel { .. } => r#"{"type":"set-model","model":"m","provider":"p","variant":null}"#
    Command::Configure { .. } => r#"{"type":"configure","config":{"maxTurns":9}}"#
    Command::End { .. } => r#"{"type":"end","reason":"over","exitCode":0,"error":null}"#
    Command::RevokeGrant { .. } => r#"{"type":"revoke-grant","grant":"g"}"#
    Command::SetRegister { .. } => r#"{"type":"set-register","name":"n","expected":0,"value":"v"}"#
    Command::Seal { .. } => r#"{"type":"seal","content":"c","local":null}"#
}

/// One of every kind that travels.
pub fn every_command() -> Vec<Command> {
    WRITTEN.iter().map(|text| serde_json::from_str(text).expect(text)).collect()
}

#[test]
fn commands_are_written_as_they_are_documented() {
    for (n, (command, text)) in every_command().iter().zip(WRITTEN).enumerate() {
        assert!(is_in_the_table(command) && is_number(n, command), "{text} is read as {command:?}");
        let expected: Value = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_value(command).unwrap(), expected);
    }
}

#[test]
fn what_may_be_left_out_may_be_left_out() {
    for (short, long) in [
        (
            r#"{"type":"prompt","text":"x"}"#,
            json!({"type": "prompt", "text": "x", "attachments": [], "ifBusy": "queue", "reference": null}),
        ),
        (r#"{"type":"interrupt"}"#, json!({"type": "interrupt", "reason": null, "clearQueue": false})),
        (
            r#"{"type":"enqueue","text":"x"}"#,
            json!({"type": "enqueue", "text": "x", "attachments": [], "reference": null}),
        ),
        (r#"{"type":"move","item":"q"}"#, json!({"type": "move", "item": "q", "before": null})),
        (r#"{"type":"claim"}"#, json!({"type": "claim", "quietly": false})),
        (
            r#"{"type":"respond-takeover","approve":false}"#,
            json!({"type": "respond-takeover", "approve": false, "requester": null}),
        ),
        (r#"{"type":"fork"}"#, json!({"type": "fork", "message": null, "title": null, "into": null})),
        (r#"{"type":"revert","message":"m"}"#, json!({"type": "revert", "message": "m", "inclusive": false})),
        (r#"{"type":"rename"}"#, json!({"type": "rename", "title": null})),
        (
            r#"{"type":"set-model","model":"m"}"#,
            json!({"type": "set-model", "model": "m", "provider": null, "variant": null}),
        ),
        (r#"{"type":"end","reason":"r"}"#, json!({"type": "end", "reason": "r", "exitCode": null, "error": null})),
        (r#"{"type":"seal","content":"c"}"#, json!({"type": "seal", "content": "c", "local": null})),
    ] {
        let command: Command = serde_json::from_str(short).expect(short);
        assert_eq!(serde_json::to_value(&command).unwrap(), long);
    }
}

#[test]
fn the_words_of_a_commands_fields_are_the_documented_ones() {
    for if_busy in ["refuse", "queue", "steer", "interrupt"] {
        let text = format!(r#"{{"type":"prompt","text":"x","ifBusy":"{if_busy}"}}"#);
        let command: Command = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_value(&command).unwrap()["ifBusy"], json!(if_busy));
    }
    for answer in [
        r#"{"kind":"allow","scope":"session","pattern":{"matcher":"exact","text":"x"},"input":1,"durationMs":5}"#,
        r#"{"kind":"deny","message":"no","scope":"workspace"}"#,
        r#"{"kind":"choose","value":"a"}"#,
        r#"{"kind":"chooseMany","values":["a"]}"#,
        r#"{"kind":"write","text":"x"}"#,
        r#"{"kind":"confirm","confirmed":false}"#,
        r#"{"kind":"fill","values":{"a":[1]}}"#,
        r#"{"kind":"provide","result":null}"#,
        r#"{"kind":"dismiss"}"#,
    ] {
        let read: rejoin_core::ask::Answer = serde_json::from_str(answer).expect(answer);
        assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::from_str::<Value>(answer).unwrap());
    }
}

#[test]
fn nobody_can_pretend_that_a_client_is_gone() {
    for text in [r#"{"type":"detached","client":"laptop"}"#, r#"{"type":"Detached","client":"laptop"}"#] {
        serde_json::from_str::<Command>(text).expect_err("doors send it, people do not");
    }
}

#[test]
fn a_command_that_nobody_knows_is_refused_and_a_field_that_nobody_knows_is_not() {
    for text in ["{}", r#"{"type":"dance"}"#, r#"{"type":"steer"}"#, r#"{"type":"edit","item":"","text":"x"}"#, "[]"] {
        assert!(serde_json::from_str::<Command>(text).is_err(), "{text}");
    }
    serde_json::from_str::<Command>(r#"{"type":"steer","text":"x","newer":1}"#).unwrap();
}

/// A session in one of the states that the table speaks of.
fn in_state(state: &str) -> Story {
    let mut story = if state == "sealed" { Story::sealed() } else { Story::begin() };
    let talk = |story: &mut Story| {
        story.ann().prompts("hi").unwrap();
        story.agent().text("well");
        story.agent().finishes();
    };
    match state {
        "idle" | "sealed" => {}
        "running" => drop(story.ann().prompts("go").unwrap()),
        "waiting" => {
            story.ann().prompts("go").unwrap();
            story.agent().asks(confirm("a"));
        }
        "compacting" => {
            talk(&mut story);
            story.ann().does(Command::Compact).unwrap();
        }
        "closed" | "archived" | "ended" => {
            talk(&mut story);
            let command = match state {
                "closed" => Command::Close,
                "archived" => Command::Archive,
                _ => Command::End { reason: "over".into(), exit_code: None, error: None },
            };
            story.ann().does(command).unwrap();
        }
        "stopping" => {
            talk(&mut story);
            story.stopping = true;
        }
        other => panic!("no such state: {other}"),
    }
    story
}

const STATES: [&str; 9] =
    ["idle", "running", "waiting", "compacting", "closed", "archived", "ended", "stopping", "sealed"];

/// What becomes of every command in every state: the refusal's code, or the first event and a `+` if there are more, or
/// `-` where nothing happens.
const TABLE: &str = "
prompt            turnStarted+        queued              queued              queued              session_closed      session_archived    session_ended       stopping            session_sealed
steer             not_running         steered             steered             not_running         not_running         not_running         not_running         not_running         session_sealed
interrupt         -                   turnEnded           askClosed+          compactionEnded     -                   -                   -                   -                   session_sealed
answer            not_waiting         not_waiting         askAnswered         not_waiting         not_waiting         not_waiting         not_waiting         not_waiting         not_waiting
enqueue           queued              queued              queued              queued              session_closed      session_archived    session_ended       queued              session_sealed
edit              no_such_item        no_such_item        no_such_item        no_such_item        no_such_item        no_such_item        no_such_item        no_such_item        no_such_item
move              no_such_item        no_such_item        no_such_item        no_such_item        no_such_item        no_such_item        no_such_item        no_such_item        no_such_item
dequeue           no_such_item        no_such_item        no_such_item        no_such_item        no_such_item        no_such_item        no_such_item        no_such_item        no_such_item
claim             controlChanged      controlChanged      controlChanged      controlChanged      controlChanged      controlChanged      controlChanged      controlChanged      controlChanged
release           uncontrolled        uncontrolled        uncontrolled        uncontrolled        uncontrolled        uncontrolled        uncontrolled        uncontrolled        uncontrolled
takeover          uncontrolled        uncontrolled        uncontrolled        uncontrolled        uncontrolled        uncontrolled        uncontrolled        uncontrolled        uncontrolled
respond-takeover  uncontrolled        uncontrolled        uncontrolled        uncontrolled        uncontrolled        uncontrolled        uncontrolled        uncontrolled        uncontrolled
fork              forked              forked              forked              forked              forked              forked              forked              forked              session_sealed
revert            -                   busy                busy                busy                reverted            reverted            reverted            reverted            session_sealed
compact           too_little          busy                busy                compacting          compactionStarted+  session_archived    session_ended       stopping            session_sealed
close             sessionClosed       sessionClosed       sessionClosed       sessionClosed       -                   sessionClosed       session_ended       sessionClosed       sessionClosed
reopen            -                   -                   -                   -                   sessionReopened     -                   session_ended       -                   -
archive           sessionArchived     sessionArchived+    sessionArchived+    sessionArchived+    sessionArchived     -                   sessionArchived     sessionArchived     sessionArchived
unarchive         -                   -                   -                   -                   -                   sessionUnarchived   -                   -                   -
rename            sessionRenamed      sessionRenamed      sessionRenamed      sessionRenamed      sessionRenamed      sessionRenamed      sessionRenamed      sessionRenamed      sessionRenamed
label             sessionLabelled     sessionLabelled     sessionLabelled     sessionLabelled     sessionLabelled     sessionLabelled     sessionLabelled     sessionLabelled     sessionLabelled
set-model         modelSet            modelSet            modelSet            modelSet            modelSet            modelSet            modelSet            modelSet            modelSet
configure         configSet           configSet           configSet           configSet           configSet           configSet           configSet           configSet           configSet
end               sessionEnded        sessionEnded+       sessionEnded+       sessionEnded+       sessionEnded        sessionEnded        session_ended       sessionEnded        sessionEnded
revoke-grant      no_such_grant       no_such_grant       no_such_grant       no_such_grant       no_such_grant       no_such_grant       no_such_grant       no_such_grant       no_such_grant
set-register      registerSet         registerSet         registerSet         registerSet         registerSet         registerSet         registerSet         registerSet         registerSet
seal              session_not_sealed  session_not_sealed  session_not_sealed  session_not_sealed  session_not_sealed  session_not_sealed  session_not_sealed  session_not_sealed  sealedAdded
";

fn told(decided: &crate::story::Decided) -> String {
    match decided {
        Err(refusal) => refusal.code().to_owned(),
        Ok(events) => match kinds(events).as_slice() {
            [] => "-".to_owned(),
            [only] => (*only).to_owned(),
            [first, ..] => format!("{first}+"),
        },
    }
}

#[test]
fn every_command_has_its_answer_in_every_state() {
    let mut table = String::from("\n");
    for command in every_command() {
        let name = serde_json::to_value(&command).unwrap()["type"].as_str().unwrap().to_owned();
        table += &format!("{name:17}");
        for state in STATES {
            let mut story = in_state(state);
            let decided = story.bob().pointing_at(Seq::FIRST, Seq::FIRST).does(command.clone());
            table += &format!(" {:19}", told(&decided));
        }
        table.truncate(table.trim_end().len());
        table.push('\n');
    }
    assert!(table == TABLE, "columns: {STATES:?}\n{table}");
}

#[test]
fn the_doors_own_command_is_harmless_in_every_state() {
    for state in STATES {
        let gone = Command::Detached { client: ClientId::new("phone").unwrap() };
        assert_eq!(in_state(state).bob().does(gone).unwrap(), []);
    }
}

#[test]
fn a_sealed_session_runs_no_agent() {
    for hosted in ["prompt", "steer", "interrupt", "enqueue", "fork", "revert", "compact"] {
        let command =
            every_command().into_iter().find(|command| serde_json::to_value(command).unwrap()["type"] == hosted);
        assert_eq!(in_state("sealed").ann().refused(command.unwrap()), "session_sealed", "{hosted}");
    }
    let mut story = in_state("sealed");
    story.agent().does(Happening::Text("hello?".into()));
    assert!(story.session.turn.is_none());
    assert_eq!(story.log[0].author, person("ann", Some("laptop")));
}
