//! What a phone answers a terminal, or an old device a new one, that asks to be let in.

use zeroize::Zeroizing;

use crate::{AccountSecret, PublicKey, TerminalPair, Unopened, base64, boxed};

/// The first byte before a content key.
const SECOND_VERSION: u8 = 0;

/// How far the asker is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Granted {
    /// It is the account from now on. Terminals that know no better, and new devices, get this.
    Secret(AccountSecret),
    /// It can wrap keys of its own records for the account, and opens nobody else's.
    ContentKey(PublicKey),
}

impl Granted {
    /// The answer as it travels, in base64. Only the asker can open it.
    pub fn seal_for(&self, asker: &PublicKey) -> String {
        base64::encode(boxed::seal_to(asker, &self.plain()))
    }

    /// Told apart by length: 32 bytes are the secret, 33 a zero and the content key.
    pub fn open(asker: &TerminalPair, response: &str) -> Result<Granted, Unopened> {
        let plain = asker.open(&base64::decode(response)?)?;
        if let Some(secret) = AccountSecret::from_slice(&plain) {
            return Ok(Granted::Secret(secret));
        }
        match plain.split_first() {
            Some((&SECOND_VERSION, key)) if key.len() == PublicKey::LENGTH => {
                PublicKey::from_slice(key).map(Granted::ContentKey).map_err(|_| Unopened::BadKey)
            }
            Some((&version, key)) if key.len() == PublicKey::LENGTH => Err(Unopened::Prefix(version)),
            _ => Err(Unopened::NotAKey(plain.len())),
        }
    }

    pub(crate) fn plain(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Granted::Secret(secret) => secret.as_bytes().to_vec(),
            Granted::ContentKey(key) => [&[SECOND_VERSION], &key.as_bytes()[..]].concat(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_asker_alone_learns_what_it_is_granted() {
        let (asker, stranger, account) = (TerminalPair::random(), TerminalPair::random(), AccountSecret::random());
        for granted in [Granted::Secret(account.clone()), Granted::ContentKey(account.content_pair().public())] {
            let response = granted.seal_for(&asker.public());
            assert_eq!(Granted::open(&asker, &response), Ok(granted));
            assert_eq!(Granted::open(&stranger, &response), Err(Unopened::Refused));
        }
    }

    #[test]
    fn an_answer_of_another_shape_says_why() {
        let asker = TerminalPair::random();
        let open = |plain: &[u8]| Granted::open(&asker, &base64::encode(boxed::seal_to(&asker.public(), plain)));
        for length in [0, 1, 31, 34, 64] {
            assert_eq!(open(&vec![0; length]), Err(Unopened::NotAKey(length)));
        }
        assert_eq!(open(&[1; 33]), Err(Unopened::Prefix(1)));
        assert_eq!(open(&[0; 33]), Err(Unopened::BadKey));
        assert_eq!(Granted::open(&asker, ""), Err(Unopened::TooShort { length: 0, least: 72 }));
        assert_eq!(Granted::open(&asker, "…"), Err(Unopened::NotBase64));
    }

    #[test]
    fn nobody_sees_a_granted_secret_in_a_log() {
        assert_eq!(format!("{:?}", Granted::Secret(AccountSecret::random())), "Secret(AccountSecret(…))");
    }
}
