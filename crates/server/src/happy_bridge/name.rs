//! Names in the forms that Happy wants, always the same for the same thing.

use aws_lc_rs::digest::{SHA256, digest};

use crate::sign_in::hex;

/// In the form of a cuid2: a letter, then letters and digits.
pub(super) fn cuid(of: &str) -> String {
    let hash = hex(digest(&SHA256, of.as_bytes()).as_ref());
    format!("c{}", &hash[..23])
}

pub(super) fn uuid(of: &str) -> String {
    let hash = digest(&SHA256, of.as_bytes());
    let bytes = hash.as_ref()[..16].try_into().expect("SHA-256 has 32 bytes");
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use rejoin_happy::payload::is_cuid2;

    use super::*;

    #[test]
    fn a_name_has_the_form_that_apps_check_and_never_changes() {
        assert!(is_cuid2(&cuid("t-1")));
        assert_eq!((cuid("t-1"), uuid("t-1")), (cuid("t-1"), uuid("t-1")));
        assert_ne!(cuid("t-1"), cuid("t-2"));
    }
}
