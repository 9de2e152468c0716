//! Values made with the reference's own code: what it seals, we open, and what we seal is the same to the byte.

use serde_json::value::RawValue;

use crate::*;

const PLAIN: &str = r#"{"role":"user","content":{"type":"text","text":"hi é"}}"#;

const LEGACY: &str = "EBESExQVFhcYGRobHB0eHyAhIiMkJSYnFelgg3BLFwYbMyTftD9a59AxZD62fTAyQomo8bIjMoEq97/RqUf9961yJScYQBxRDFG2c9Jzr7E+ghi0M7l+JaoN7YBX0FZJ";
const DATA_KEY: &str = "ACAhIiMkJSYnKCkqK07JsY9zEXIjVkBPiUxWcrHwyYI8JBp3m7sT3FzYzq33ZhhI4k/6/++e+fYLUOdL3aily7KtihMAF4dYeY6qk+5JhGsA45Q93g==";
const DATA_KEY_NOTHING: &str = "ACAhIiMkJSYnKCkqKx2nkJ8dgaq+PTFJAhqBd2s=";
const WRAPPED: &str = "AEk+gvx0RkpZJogXYj0gU8XrjizEqYi0/uF57GsBDVMdEBESExQVFhcYGRobHB0eHyAhIiMkJSYnBFd6B+O1Kh3YJayRCnETUFem0LtrlNPW3k42rGIYlC+OBE2RLRPJ9QbevO5ZIoJT";
const RESPONSE_1: &str = "ST6C/HRGSlkmiBdiPSBTxeuOLMSpiLT+4XnsawENUx0QERITFBUWFxgZGhscHR4fICEiIyQlJiewRZAPzG3OqTkQek7NzED1nF7spo7e/N1NYB9/QWZWjxlaKdxiax5PfWnfJAB6EMo=";
const RESPONSE_2: &str = "ST6C/HRGSlkmiBdiPSBTxeuOLMSpiLT+4XnsawENUx0QERITFBUWFxgZGhscHR4fICEiIyQlJie1xc2IY7Cnoq/T5jtYvh4GnHv0XPOaoAyeoIjn4udzK/vD9Fl+NN6wmwC30lJFk5FG";
const BACKUP: &str = "AAAQE-AYEAU-DAOCA-JBIFQ-YDIOB-4IBCE-QTCQK-RMFYY-DENBW-HA5DY-PQ";

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn counting<const N: usize>(from: u8) -> [u8; N] {
    std::array::from_fn(|at| from + at as u8)
}

fn account() -> AccountSecret {
    AccountSecret::from_bytes(counting(0x00))
}

fn data_key() -> DataKey {
    DataKey::from_bytes(counting(0x40))
}

fn terminal() -> TerminalPair {
    TerminalPair::from_bytes(counting(0xc0))
}

/// As `boxed::seal_to`, with the ephemeral secret and the nonce of the vectors.
fn seal_to(to: &PublicKey, bytes: &[u8]) -> Vec<u8> {
    boxed::seal_with(&counting(0x80), &counting(0x10), to, bytes)
}

#[test]
fn an_account_has_the_same_name_and_signs_alike() {
    let (pair, challenge) = (account().signing(), std::array::from_fn::<u8, 32, _>(|at| 0xff - at as u8));
    let signature = "14a27374b4e03fd642d77ecaf9b9d46e9e427d757314de98e72cbaf7586b245bfeb02cce7054e43dab892e577b803ef3e73583db92856ee46e48f081eb35fa03";
    assert_eq!(hex(&pair.public()), "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert_eq!(hex(&pair.sign(&challenge)), signature);
    assert_eq!(verify(&pair.public(), &challenge, &unhex(signature)), Ok(()));
}

#[test]
fn the_tree_grows_alike() {
    let key = tree::derive(b"test seed", "test usage", &["child1", "child2"]);
    assert_eq!(hex(&*key), "1011c097d2105d27362b987a631496bbf68b836124d1d072e9d1613c6028cf75");
    let seed = tree::derive(account().as_bytes(), "Happy EnCoder", &["content"]);
    assert_eq!(hex(&*seed), "67eebf3ff0eb241774d2f6e45e4869ca3e01785630dae7635428076e725351be");
}

#[test]
fn an_account_has_the_same_keys() {
    let pair = account().content_pair();
    assert_eq!(hex(pair.secret()), "56f43aee0c93b2163b5e45b14264d06b0c9613195e23da0190f6838d6ac9c562");
    assert_eq!(hex(pair.public().as_bytes()), "241af979415ad6dbc99d93af8c2babf288cf96084ad6e8fe7072ed4e229d445b");
    assert_eq!(account().analytics_id(), "c7763c5f6394a306");
    let (master, session) = (account().blob_key(), data_key().blob_key());
    assert_eq!(hex(master.bytes()), "c1c73ca3c5c5e2d17a27b07881bb0bd5b2d373d68db37c53d8d270d1d96c6b52");
    assert_eq!(hex(session.bytes()), "e0d7e7c54733ad0920be2d03ea3348a4750845b55461d464acdea6bd17d9ed13");
    assert_eq!(Content::Legacy(account()).blob_key(), master);
    assert_eq!(Content::DataKey(data_key()).blob_key(), session);
}

#[test]
fn pairs_of_terminals_are_raw_secrets() {
    let ephemeral = TerminalPair::from_bytes(counting(0x80)).public();
    assert_eq!(hex(ephemeral.as_bytes()), "493e82fc74464a59268817623d2053c5eb8e2cc4a988b4fee179ec6b010d531d");
    assert_eq!(hex(terminal().public().as_bytes()), "dc2cca31e8e43bbd91dff7e475cca3347eb478107d5bd765aba4ae4a30c35d44");
}

#[test]
fn content_under_the_accounts_secret_is_the_same() {
    let sealed = secretbox::seal_with(&counting(0x10), account().secret(), PLAIN.as_bytes());
    assert_eq!(base64::encode(sealed), LEGACY);
    assert_opens(&Content::Legacy(account()), LEGACY);
}

#[test]
fn content_under_a_key_of_its_own_is_the_same() {
    assert_eq!(base64::encode(data_key().seal_with(&counting(0x20), PLAIN.as_bytes())), DATA_KEY);
    assert_opens(&Content::DataKey(data_key()), DATA_KEY);
}

#[test]
fn nothing_is_the_same() {
    assert_eq!(base64::encode(data_key().seal_with(&counting(0x20), b"")), DATA_KEY_NOTHING);
    assert_eq!(Content::DataKey(data_key()).open_json::<u8>(DATA_KEY_NOTHING), Ok(None));
}

#[test]
fn a_wrapped_key_is_the_same() {
    let pair = account().content_pair();
    assert_eq!(DataKey::wrapped(&seal_to(&pair.public(), data_key().as_bytes())), WRAPPED);
    assert_eq!(DataKey::unwrap(&pair, WRAPPED), Ok(data_key()));
    assert_eq!(Content::of_record(&account(), &pair, Some(WRAPPED)), Ok(Content::DataKey(data_key())));
}

#[test]
fn answers_to_terminals_are_the_same() {
    for (granted, response) in
        [(Granted::Secret(account()), RESPONSE_1), (Granted::ContentKey(account().content_pair().public()), RESPONSE_2)]
    {
        assert_eq!(base64::encode(seal_to(&terminal().public(), &granted.plain())), response);
        assert_eq!(Granted::open(&terminal(), response), Ok(granted));
    }
}

#[test]
fn the_text_on_paper_is_the_same() {
    assert_eq!(*account().to_backup(), BACKUP);
    assert_eq!(AccountSecret::from_backup(BACKUP), Some(account()));
}

fn assert_opens(content: &Content, sealed: &str) {
    assert_eq!(content.open_bytes(sealed).unwrap(), PLAIN.as_bytes());
    // As texts: opened JSON must be what was sealed to the byte, where somebody asks for it raw.
    assert_eq!(content.open_json::<Box<RawValue>>(sealed).unwrap().unwrap().get(), PLAIN);
}
