//! Trimming: the deltas of a completed part fade into one, and nobody notices.

use rejoin_core::event::{Event, Logged};
use rejoin_core::session::Session;
use rejoin_core::trim::{Fading, Marks, rest_for};

use crate::story::Story;

/// A log in which a part grew in three steps and was completed.
fn grown() -> Vec<Logged> {
    let mut story = Story::begin();
    story.ann().prompts("go").unwrap();
    for text in ["one ", "twö ", "three"] {
        story.agent().text(text);
    }
    story.agent().thinks("hm");
    story.log
}

fn fade(log: &[Logged]) -> Vec<Logged> {
    let mut fading = Fading::default();
    log.iter().for_each(|logged| fading.see(logged));
    log.iter().cloned().filter_map(|logged| fading.fade(logged)).collect()
}

/// The numbers of the deltas.
fn deltas(log: &[Logged]) -> Vec<&Logged> {
    log.iter().filter(|logged| matches!(logged.event, Event::PartDelta { .. })).collect()
}

#[test]
fn a_faded_delta_stands_where_the_last_one_stood_and_knows_the_others() {
    let log = grown();
    let numbers: Vec<u64> = deltas(&log).iter().map(|logged| logged.seq.get()).collect();
    let faded = fade(&log);
    let left = deltas(&faded);
    assert_eq!(left.len(), 2, "the text, and the reasoning that is still open");
    assert_eq!(left[0].seq.get(), numbers[2]);
    let Event::PartDelta { text, marks, .. } = &left[0].event else { unreachable!() };
    assert_eq!(text, "one twö three");
    assert_eq!(String::from(marks.clone()), format!("{}.4,1.5,1.5", numbers[0]));
    for (number, heard) in [(0, 0), (numbers[0] - 1, 0), (numbers[0], 4), (numbers[1], 9), (numbers[2], 14), (99, 14)] {
        assert_eq!(marks.heard(number), heard, "up to {number}");
    }
}

#[test]
fn a_reader_gets_the_suffix_that_it_is_missing() {
    let log = grown();
    let numbers: Vec<u64> = deltas(&log).iter().map(|logged| logged.seq.get()).collect();
    let faded = fade(&log);
    let delta = deltas(&faded)[0].clone();
    for (after, rest) in [(0, "one twö three"), (numbers[0], "twö three"), (numbers[1], "three")] {
        let Event::PartDelta { text, marks, .. } = rest_for(delta.clone(), after).event else { unreachable!() };
        assert_eq!((text.as_str(), marks.is_empty()), (rest, true));
    }
}

#[test]
fn a_snapshot_from_inside_a_part_meets_its_faded_rest() {
    let log = grown();
    let middle = deltas(&log)[1].seq;
    let completed = log.iter().position(|logged| matches!(logged.event, Event::PartCompleted { .. })).unwrap();
    let until = log[completed].seq;
    let upto = |log: &[Logged], keep: &dyn Fn(&Logged) -> bool| -> Vec<Logged> {
        log.iter().filter(|logged| keep(logged)).cloned().collect()
    };
    let expected = Session::replay(&upto(&log, &|logged| logged.seq < until)).unwrap();
    let rest = upto(&fade(&log), &|logged| logged.seq > middle && logged.seq < until);
    for as_a_reader in [false, true] {
        let mut session = Session::replay(&upto(&log, &|logged| logged.seq <= middle)).unwrap();
        for logged in rest.clone() {
            let logged = if as_a_reader { rest_for(logged, middle.get()) } else { logged };
            session.apply(&logged);
        }
        assert_eq!(session, expected);
    }
}

#[test]
fn what_is_not_complete_or_has_one_delta_does_not_fade() {
    let log = grown();
    let completed = log.iter().position(|logged| matches!(logged.event, Event::PartCompleted { .. })).unwrap();
    assert_eq!(fade(&log[..completed]), log[..completed]);
    assert_eq!(fade(&fade(&log)), fade(&log), "once is enough");
    let mut fading = Fading::default();
    fade(&log).iter().for_each(|logged| fading.see(logged));
    assert!(!fading.is_worth_it());
}

#[test]
fn marks_that_are_none_are_refused() {
    for bad in ["x", "1", "1.", ".1", "1.2.3", "1.2,x", "-1.2", "99999999999999999999.1", "1.1,18446744073709551615.1"]
    {
        assert!(Marks::try_from(bad.to_owned()).is_err(), "{bad}");
    }
    assert!(Marks::try_from(String::new()).unwrap().is_empty());
}
