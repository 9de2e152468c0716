//! The variable by which the children of one gateway life are known, wherever they go.

/// Its name in the environment.
const NAME: &str = "REJOIN_TOOL";

/// A random value for that variable. One made by [`Marker::narrow`] is also covered by the one it was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker(String);

impl Marker {
    pub fn fresh() -> Marker {
        Marker(crate::token::random())
    }

    /// A marker for a part of what this one marks: one command of many, say.
    pub fn narrow(&self) -> Marker {
        Marker(format!("{}.{}", self.0, crate::token::random()))
    }

    /// Name and value, as they go into a child's environment.
    pub fn variable(&self) -> (&'static str, &str) {
        (NAME, &self.0)
    }

    pub(super) fn value(&self) -> &str {
        &self.0
    }

    /// Reads a value back; `None` if it could mark what is not ours.
    pub(super) fn read(value: &str) -> Option<Marker> {
        let plain = value.len() >= 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'.');
        plain.then(|| Marker(value.to_owned()))
    }

    /// Whether an environment (`NAME=value` with NULs between) holds this marker or a narrower one.
    pub(super) fn is_in(&self, environment: &[u8]) -> bool {
        environment.split(|byte| *byte == 0).any(|entry| {
            let rest = entry
                .strip_prefix(NAME.as_bytes())
                .and_then(|rest| rest.strip_prefix(b"="))
                .and_then(|rest| rest.strip_prefix(self.0.as_bytes()));
            matches!(rest, Some([] | [b'.', ..]))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_covers_itself_and_what_it_was_narrowed_to() {
        let (one, other) = (Marker::fresh(), Marker::fresh());
        let part = one.narrow();
        let environment = |marker: &Marker| format!("A=b\0{}={}\0C=d\0", NAME, marker.value()).into_bytes();
        assert!(one.is_in(&environment(&one)) && one.is_in(&environment(&part)) && part.is_in(&environment(&part)));
        assert!(!part.is_in(&environment(&one)) && !other.is_in(&environment(&one)));
        assert!(!one.is_in(format!("NOT_{NAME}={0}\0{NAME}={0}0\0", one.value()).as_bytes()));
    }

    #[test]
    fn only_a_full_marker_is_read_back() {
        let one = Marker::fresh();
        assert_eq!(Marker::read(one.value()), Some(one.clone()));
        assert_eq!(Marker::read(one.narrow().value()).map(|_| ()), Some(()));
        for bad in ["", "abc", "zz000000000000000000000000000000"] {
            assert_eq!(Marker::read(bad), None);
        }
    }
}
