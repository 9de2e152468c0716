//! The tree of keys that grows from one secret.

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

/// The key at `path` below `master`, for one `usage`. Whoever has it learns neither `master` nor any other key.
pub(crate) fn derive(master: &[u8], usage: &str, path: &[&str]) -> Zeroizing<[u8; 32]> {
    let mut node = Node::new(format!("{usage} Master Seed").as_bytes(), &[master]);
    for index in path {
        node = Node::new(&*node.chain, &[&[0], index.as_bytes()]);
    }
    node.key
}

struct Node {
    key: Zeroizing<[u8; 32]>,
    /// What children grow from. Only inner nodes use theirs, and only leaves their key.
    chain: Zeroizing<[u8; 32]>,
}

impl Node {
    fn new(key: &[u8], data: &[&[u8]]) -> Node {
        let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA512, key));
        for part in data {
            mac.update(part);
        }
        let tag = mac.sign();
        let (key, chain) = tag.as_ref().split_at(32);
        let half = |bytes: &[u8]| Zeroizing::new(bytes.try_into().expect("SHA-512 gives 64 bytes"));
        Node { key: half(key), chain: half(chain) }
    }
}
