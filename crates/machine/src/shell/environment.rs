//! What a tool gets to know of our environment. Keys and tokens stay with us.

use std::env;
use std::ffi::OsString;

const PASSED: &[&str] = &["HOME", "LANG", "PATH", "SHELL", "TERM", "TMPDIR", "USER"];
/// All that begin so: LC_ALL, LC_TIME and the rest.
const PASSED_PREFIX: &str = "LC_";
/// For a gateway that was started without one.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

/// The variables that every tool gets.
pub fn environment() -> Vec<(OsString, OsString)> {
    select(env::vars_os())
}

fn select(all: impl Iterator<Item = (OsString, OsString)>) -> Vec<(OsString, OsString)> {
    let is_passed = |name: &str| PASSED.contains(&name) || name.starts_with(PASSED_PREFIX);
    let mut passed: Vec<_> = all.filter(|(name, _)| name.to_str().is_some_and(is_passed)).collect();
    if !passed.iter().any(|(name, _)| name == "PATH") {
        passed.push(("PATH".into(), PATH.into()));
    }
    passed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_harmless_is_passed_on() {
        let all =
            ["PATH", "HOME", "LC_ALL", "LC_TIME", "ANTHROPIC_API_KEY", "REJOIN_KEY", "LCX", "PATHS", "LD_PRELOAD"];
        let passed = select(all.iter().map(|name| (name.into(), "x".into())));
        let names: Vec<_> = passed.iter().map(|(name, _)| name.to_str().unwrap()).collect();
        assert_eq!(names, ["PATH", "HOME", "LC_ALL", "LC_TIME"]);
    }

    #[test]
    fn there_is_always_a_path() {
        assert_eq!(select(std::iter::empty()), [("PATH".into(), PATH.into())]);
    }
}
