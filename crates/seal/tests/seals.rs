//! Whatever is sealed opens again; whatever was touched does not; and garbage of any length is only an error.

use proptest::collection::vec;
use proptest::prelude::*;
use rejoin_seal::*;

/// The bytes of some sealed thing, with one bit turned over.
fn touched(bytes: &[u8], at: prop::sample::Index) -> Vec<u8> {
    let (mut bytes, bit) = (bytes.to_vec(), at.index(bytes.len() * 8));
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

fn touched_text(sealed: &str, at: prop::sample::Index) -> String {
    base64::encode(touched(&base64::decode(sealed).unwrap(), at))
}

fn contents(key: [u8; 32]) -> [Content; 2] {
    [Content::Legacy(AccountSecret::from_bytes(key)), Content::DataKey(DataKey::from_bytes(key))]
}

proptest! {
    #[test]
    fn content_opens_again_and_not_once_touched(key: [u8; 32], bytes in vec(any::<u8>(), 0..300), at: prop::sample::Index) {
        for content in contents(key) {
            let sealed = content.seal_bytes(&bytes);
            prop_assert_eq!(content.open_bytes(&sealed), Ok(bytes.clone()));
            let opened = content.open_bytes(&touched_text(&sealed, at));
            prop_assert!(matches!(opened, Err(Unopened::Refused | Unopened::Prefix(_))), "{:?}", opened);
        }
    }

    #[test]
    fn json_opens_again(key: [u8; 32], text: String, number: i64, list in vec(any::<bool>(), 0..9)) {
        for content in contents(key) {
            let value = (text.clone(), number, list.clone());
            let sealed = content.seal_json(&value).unwrap();
            prop_assert_eq!(content.open_json(&sealed), Ok(Some(value)));
        }
    }

    #[test]
    fn an_attachment_opens_again_and_not_once_touched(key: [u8; 32], bytes in vec(any::<u8>(), 0..300), at: prop::sample::Index) {
        for key in contents(key).map(|content| content.blob_key()) {
            let sealed = key.seal(&bytes);
            prop_assert_eq!(sealed.len(), bytes.len() + BlobKey::OVERHEAD);
            prop_assert_eq!(key.open(&sealed), Ok(bytes.clone()));
            prop_assert_eq!(key.open(&touched(&sealed, at)), Err(Unopened::Refused));
        }
    }

    #[test]
    fn a_backup_reads_back_however_it_is_typed(secret: [u8; 32], small: bool, gap in "[ \n.-]{0,3}") {
        let secret = AccountSecret::from_bytes(secret);
        let typed = secret.to_backup().replace('-', &gap);
        let typed = if small { typed.to_lowercase() } else { typed };
        prop_assert_eq!(AccountSecret::from_backup(&typed), Some(secret));
    }

    #[test]
    fn garbage_is_only_an_error(key: [u8; 32], bytes in vec(any::<u8>(), 0..300), text: String) {
        let texts = [base64::encode(&bytes), format!("AA{}", base64::encode(&bytes)), text];
        let account = AccountSecret::from_bytes(key);
        for text in &texts {
            for content in contents(key) {
                prop_assert!(content.open_bytes(text).is_err());
                prop_assert!(content.blob_key().open(text.as_bytes()).is_err());
            }
            prop_assert!(Credentials::parse(text).is_err());
            let _ = (AccountSecret::from_backup(text), AccountSecret::from_base64(text), AccountSecret::from_base64_url(text));
            let _ = (PublicKey::from_base64(text), DataKey::from_base64(text), text.parse::<Link>());
            let _ = format!("happy://terminal?{text}").parse::<Link>();
        }
        prop_assert!(verify(&account.signing().public(), &bytes, &bytes).is_err());
        prop_assert!(verify(&bytes, &bytes, &[7; 64]).is_err());
    }
}

// Curves are slow where nothing is optimised.
proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_box_opens_for_its_owner_and_not_once_touched(secret: [u8; 32], bytes in vec(any::<u8>(), 0..100), at: prop::sample::Index) {
        let bundle = boxed::seal_to(&TerminalPair::from_bytes(secret).public(), &bytes);
        prop_assert_eq!(bundle.len(), bytes.len() + boxed::OVERHEAD);
        prop_assert_eq!(boxed::open(&secret, &bundle), Ok(bytes));
        prop_assert_eq!(boxed::open(&secret, &touched(&bundle, at)), Err(Unopened::Refused));
    }

    #[test]
    fn a_wrapped_key_opens_again_and_not_once_touched(account: [u8; 32], key: [u8; 32], at: prop::sample::Index) {
        let (account, key) = (AccountSecret::from_bytes(account).content_pair(), DataKey::from_bytes(key));
        let wrapped = key.wrap_for(&account.public());
        prop_assert_eq!(DataKey::unwrap(&account, &wrapped), Ok(key));
        let opened = DataKey::unwrap(&account, &touched_text(&wrapped, at));
        prop_assert!(matches!(opened, Err(Unopened::Refused | Unopened::Prefix(_))), "{:?}", opened);
    }

    #[test]
    fn a_grant_opens_again_and_not_once_touched(asker: [u8; 32], account: [u8; 32], at: prop::sample::Index) {
        let (asker, account) = (TerminalPair::from_bytes(asker), AccountSecret::from_bytes(account));
        for granted in [Granted::ContentKey(account.content_pair().public()), Granted::Secret(account.clone())] {
            let response = granted.seal_for(&asker.public());
            prop_assert_eq!(Granted::open(&asker, &response), Ok(granted));
            prop_assert_eq!(Granted::open(&asker, &touched_text(&response, at)), Err(Unopened::Refused));
        }
    }

    #[test]
    fn a_signature_holds_until_something_is_touched(secret: [u8; 32], challenge in vec(any::<u8>(), 1..100), at: prop::sample::Index) {
        let pair = AccountSecret::from_bytes(secret).signing();
        let (public, signature) = (pair.public(), pair.sign(&challenge));
        prop_assert_eq!(verify(&public, &challenge, &signature), Ok(()));
        prop_assert!(verify(&touched(&public, at), &challenge, &signature).is_err());
        prop_assert!(verify(&public, &touched(&challenge, at), &signature).is_err());
        prop_assert!(verify(&public, &challenge, &touched(&signature, at)).is_err());
    }

    #[test]
    fn garbage_for_a_pair_is_only_an_error(secret: [u8; 32], bytes in vec(any::<u8>(), 0..150)) {
        let text = base64::encode(&bytes);
        prop_assert!(boxed::open(&secret, &bytes).is_err());
        prop_assert!(Granted::open(&TerminalPair::from_bytes(secret), &text).is_err());
        prop_assert!(DataKey::unwrap(&ContentPair::from_seed(&secret), &text).is_err());
        prop_assert!(DataKey::unwrap(&ContentPair::from_seed(&secret), &base64::encode([&[0], &bytes[..]].concat())).is_err());
    }
}

/// Every length up to the longest head there is, and some more: nothing but the right error.
#[test]
fn what_is_too_short_says_so_at_every_length() {
    let account = AccountSecret::random();
    let pair = account.content_pair();
    for length in 0..120 {
        let bytes = vec![0; length];
        let text = base64::encode(&bytes);
        let expected = |least| if length < least { Unopened::TooShort { length, least } } else { Unopened::Refused };
        assert_eq!(Content::Legacy(account.clone()).open_bytes(&text), Err(expected(40)));
        assert_eq!(Content::DataKey(DataKey::random()).open_bytes(&text), Err(expected(29)));
        assert_eq!(account.blob_key().open(&bytes), Err(expected(40)));
        assert_eq!(boxed::open(account.as_bytes(), &bytes), Err(expected(72)));
        assert_eq!(DataKey::unwrap(&pair, &text), Err(expected(73)));
        assert_eq!(Granted::open(&TerminalPair::random(), &text), Err(expected(72)));
    }
}
