//! Refusals: every one has a stable code, and the list of codes is complete.

use std::collections::BTreeSet;

use rejoin_core::id::{AskId, GrantId, MessageId, QueueId};
use rejoin_core::refusal::Refusal;

macro_rules! refusals {
    ($($name:ident $({ $($field:ident: $value:expr),* })? $(($inner:expr))? => $code:literal)*) => {
        /// Every refusal and its code. It does not compile while one is missing.
        fn every_refusal() -> Vec<(Refusal, &'static str)> {
            fn complete(refusal: &Refusal) {
                match refusal {
                    $(Refusal::$name { .. } => {})*
                }
            }
            let all = vec![$((Refusal::$name $({ $($field: $value),* })? $(($inner))?, $code)),*];
            all.iter().for_each(|(refusal, _)| complete(refusal));
            all
        }
    };
}

refusals! {
    Forbidden => "forbidden"
    Busy => "busy"
    NotRunning => "not_running"
    Closed => "session_closed"
    Ended => "session_ended"
    NotEnded => "session_not_ended"
    Archived => "session_archived"
    Sealed => "session_sealed"
    NotSealed => "session_not_sealed"
    NotWaiting(AskId::new("a").unwrap()) => "not_waiting"
    WrongAnswer => "wrong_answer"
    NotEligible => "not_eligible"
    NotController { holder: None } => "not_controller"
    ClientRequired => "client_required"
    AlreadyControlled => "already_controlled"
    AlreadyController => "already_controller"
    Uncontrolled => "uncontrolled"
    TakeoverPending => "takeover_pending"
    NoTakeover => "no_takeover_pending"
    TakeoverMismatch => "takeover_mismatch"
    ControlInGrace => "control_in_grace"
    QueueFull => "queue_full"
    NoSuchItem(QueueId::new("q").unwrap()) => "no_such_item"
    NoSuchMessage(MessageId::new("m").unwrap()) => "no_such_message"
    NoSuchGrant(GrantId::new("g").unwrap()) => "no_such_grant"
    TooLong => "too_long"
    Empty => "empty"
    TooLittle => "too_little"
    Compacting => "compacting"
    BudgetExceeded => "budget_exceeded"
    VersionMismatch { version: 1, value: None } => "version_mismatch"
    Stopping => "stopping"
}

#[test]
fn codes_are_stable_and_all_of_them_are_listed() {
    for (refusal, code) in every_refusal() {
        assert_eq!(refusal.code(), code);
    }
    let said: BTreeSet<&str> = every_refusal().iter().map(|(refusal, _)| refusal.code()).collect();
    let listed: BTreeSet<&str> = Refusal::CODES.iter().copied().collect();
    assert_eq!(said, listed);
    assert_eq!((said.len(), listed.len()), (every_refusal().len(), Refusal::CODES.len()), "no code stands for two");
}

#[test]
fn refusals_speak_to_people_in_the_manner_of_the_others() {
    for (refusal, code) in every_refusal() {
        let text = refusal.to_string();
        assert!(text.starts_with(char::is_lowercase) && !text.ends_with('.'), "{code}: {text}");
    }
}
