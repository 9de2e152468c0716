//! The namespaces that are served.

use std::fmt;

/// A client that was given a URL with a path takes that path for a namespace, so there are two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Namespace {
    /// `/`
    Main,
    /// `/happy`
    Happy,
}

impl Namespace {
    pub const COUNT: usize = 2;

    pub fn named(name: &str) -> Option<Namespace> {
        [Namespace::Main, Namespace::Happy].into_iter().find(|namespace| namespace.as_str() == name)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Namespace::Main => "/",
            Namespace::Happy => "/happy",
        }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}
