//! Numbers of frames. One event of the log becomes several frames, so each has room for sixteen; the last one always ends in
//! fifteen, which tells whether a client that was cut off has heard the whole event.

use rejoin_core::position::Heard;

/// Room for the frames of one event.
const ROOM: u64 = 16;

/// The number of frame `index` of `count` that the event `seq` became.
pub(crate) fn number(seq: u64, index: usize, count: usize) -> u64 {
    debug_assert!(index < count && count <= ROOM as usize, "frame {index} of {count}");
    seq * ROOM + ROOM - (count - index) as u64
}

/// The number that says: everything up to and with this event.
pub(crate) fn whole(seq: u64) -> u64 {
    match seq {
        0 => 0,
        seq => seq * ROOM + ROOM - 1,
    }
}

/// The event that a frame belongs to.
pub(crate) fn event_of(number: u64) -> u64 {
    number / ROOM
}

/// Where to go on in the log for a client that has heard everything up to `number`: an event that it has only heard a part
/// of comes again, and its frames up to `number` are left out.
pub(crate) fn resume(number: u64) -> Heard {
    let seq = match number % ROOM {
        last if last == ROOM - 1 => number / ROOM,
        _ => (number / ROOM).saturating_sub(1),
    };
    Heard { epoch: None, seq }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_and_the_last_of_an_event_says_that_it_is_whole() {
        let three: Vec<_> = (0..3).map(|index| number(7, index, 3)).collect();
        assert_eq!(three, [125, 126, 127]);
        assert_eq!(whole(7), 127);
        assert!(number(8, 0, 16) > whole(7));
        assert_eq!(resume(whole(7)).seq, 7);
        assert_eq!(resume(126).seq, 6);
        assert_eq!(resume(0).seq, 0);
        assert_eq!((event_of(126), event_of(127)), (7, 7));
    }
}
