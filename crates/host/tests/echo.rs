//! `echo` gives back what it is given.

mod common;

use common::{Rig, text};
use proptest::prelude::*;
use rejoin_core::happening::Happening;

fn echoed(prompt: &str) -> Vec<Happening> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(async {
        let mut rig = Rig::open("echo").await;
        rig.run(prompt).await
    })
}

#[test]
fn a_word_is_one_delta_with_the_blanks_behind_it() {
    let said = |word: &str| Happening::Text(word.to_owned());
    assert_eq!(echoed("to be,  or\nnot"), [said("to "), said("be,  "), said("or\n"), said("not"), Happening::Done]);
}

#[test]
fn nothing_is_echoed_as_nothing() {
    assert_eq!(echoed(""), [Happening::Done]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_deltas_together_are_the_prompt(prompt in "(\\PC|[ \t\r\n]){0,200}") {
        prop_assert_eq!(text(&echoed(&prompt)), prompt);
    }
}
