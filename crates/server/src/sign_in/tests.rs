//! Signing in as people and programs do it, on a store in memory and a clock moved by hand.

mod provider;

use std::net::IpAddr;

use rejoin_core::refusal::Refusal;
use rejoin_core::who::Author;
use rejoin_ports::clock::HandClock;
use rejoin_ports::gateway::{Caller, Failure};
use rejoin_ports::memory::MemoryStore;
use rejoin_ports::sign_in::{Keys, Members, NewKey};
use rejoin_ports::store::Owner;
use serde_json::json;

use super::jwt::JwtOptions;
use super::*;
use provider::{Provider, Signer};

const NOW: Millis = 1_800_000_000_000;
const SECRET: &str = "a secret that is long enough for HS256";

struct World {
    gate: Gate,
    store: Arc<MemoryStore>,
    clock: HandClock,
}

fn world(jwt: Option<JwtOptions>, dev: bool) -> World {
    let store = Arc::new(MemoryStore::default());
    let clock = HandClock::at(NOW);
    let jwt = jwt.and_then(|options| options.resolve().unwrap());
    let gate = Gate::new(store.clone(), Arc::new(clock.clone()), jwt, dev);
    World { gate, store, clock }
}

fn with_secret() -> World {
    world(Some(JwtOptions { secret: Some(SECRET.to_owned()), ..JwtOptions::default() }), false)
}

impl World {
    /// The first start: its owner, and the key.
    async fn owner(&self) -> (Caller, String) {
        let dir = tempfile::tempdir().unwrap();
        let key = self.gate.first_key(dir.path()).await.unwrap().unwrap();
        let identity = self.enter(&key.text).await.unwrap().identity;
        (caller(identity), key.text)
    }

    async fn enter(&self, token: &str) -> Result<SignedIn, NotSignedIn> {
        self.enter_from(token, None).await
    }

    async fn enter_from(&self, token: &str, peer: Option<IpAddr>) -> Result<SignedIn, NotSignedIn> {
        self.gate.sign_in(Carrier { token: Some(token.to_owned()), peer, door: "native" }).await
    }

    async fn key_of(&self, by: &Caller, user: &str, role: Role) -> Result<(String, String), Failure> {
        let new = NewKey { name: user.to_owned(), user: UserId::new(user).ok(), role: Some(role), expires_at: None };
        let (info, text) = self.gate.create(by, new).await?;
        Ok((info.id, text))
    }
}

fn caller(identity: Identity) -> Caller {
    Caller { identity, author: Arc::new(Author::gateway()), capabilities: Vec::new(), speaks_control: false }
}

fn token(claims: serde_json::Value) -> String {
    let mut claims = claims;
    claims["exp"] = json!(NOW / 1000 + 3_600);
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn is_forbidden<T: std::fmt::Debug>(outcome: Result<T, Failure>) -> bool {
    matches!(outcome, Err(Failure::Refused(Refusal::Forbidden)))
}

#[tokio::test]
async fn the_first_start_makes_the_owners_key_and_later_ones_do_not() {
    let world = world(None, false);
    let dir = tempfile::tempdir().unwrap();
    let key = world.gate.first_key(dir.path()).await.unwrap().unwrap();
    let written = crate::folder::read_private(&dir.path().join(OWNER_KEY_FILE)).unwrap().unwrap();
    assert_eq!(written.trim_end(), key.text);
    let signed_in = world.enter(&key.text).await.unwrap();
    let who = &signed_in.identity;
    assert_eq!((who.tenant.as_str(), who.user.as_str(), who.role), ("default", "owner", Role::Owner));
    assert!(world.gate.first_key(dir.path()).await.unwrap().is_none());

    // Also not after it was revoked.
    let owner = caller(signed_in.identity);
    world.key_of(&owner, "owner", Role::Owner).await.unwrap();
    let id = key::id(&key.text).unwrap();
    world.gate.revoke(&owner, id).await.unwrap();
    assert!(world.gate.first_key(dir.path()).await.unwrap().is_none());
}

#[tokio::test]
async fn only_the_whole_key_opens_and_only_its_fingerprint_is_kept() {
    let world = world(None, false);
    let (_, text) = world.owner().await;
    let mut wrong = text.clone();
    let last = wrong.pop().unwrap();
    wrong.push(if last == '0' { '1' } else { '0' });
    let other_id = key::mint().1;
    for bad in [wrong.as_str(), &other_id, &text[..84], "rjn_", "Bearer", &"x".repeat(1 << 20)] {
        assert_eq!(world.enter(bad).await.unwrap_err(), NotSignedIn::Invalid);
    }
    assert_eq!(world.enter("").await.unwrap_err(), NotSignedIn::Missing);
    let nothing = Carrier { token: None, peer: None, door: "native" };
    assert_eq!(world.gate.sign_in(nothing).await.unwrap_err(), NotSignedIn::Missing);
    let kept = world.store.records(&Owner::Gateway, "key", "", "", 10).await.unwrap();
    let kept = String::from_utf8(kept[0].value.clone().unwrap().to_vec()).unwrap();
    assert!(!kept.contains(&text[25..]) && kept.contains("fingerprint"), "{kept}");
}

#[tokio::test]
async fn signing_in_again_asks_the_store_nothing() {
    let world = world(None, false);
    let (_, text) = world.owner().await;
    world.gate.tasks.close();
    world.gate.tasks.wait().await;
    world.store.close().await.unwrap();
    assert!(world.enter(&text).await.is_ok());
    let unknown = key::mint().1;
    assert_eq!(world.enter(&unknown).await.unwrap_err(), NotSignedIn::Unavailable);
}

#[tokio::test]
async fn a_revoked_key_ends_its_open_connections() {
    let world = world(None, false);
    let (owner, _) = world.owner().await;
    let (id, text) = world.key_of(&owner, "bot", Role::Member).await.unwrap();
    let open = world.enter(&text).await.unwrap();
    assert_eq!(*open.standing.borrow(), Standing::Good);
    world.gate.revoke(&owner, &id).await.unwrap();
    assert_eq!(*open.standing.borrow(), Standing::Revoked);
    assert_eq!(world.enter(&text).await.unwrap_err(), NotSignedIn::Invalid);
    assert!(matches!(world.gate.revoke(&owner, &id).await, Err(Failure::NotFound("key"))));
}

#[tokio::test]
async fn a_key_ends_at_its_time_also_while_it_is_remembered() {
    let world = world(None, false);
    let (owner, _) = world.owner().await;
    let ends = NewKey { expires_at: Some(NOW + 1_000), ..plain_key() };
    let (info, text) = world.gate.create(&owner, ends).await.unwrap();
    assert_eq!(info.role, Role::Owner);
    assert_eq!(world.enter(&text).await.unwrap().expires_at, Some(NOW + 1_000));
    world.clock.advance(1_000);
    assert_eq!(world.enter(&text).await.unwrap_err(), NotSignedIn::Expired);
    let past = NewKey { expires_at: Some(NOW), ..plain_key() };
    assert!(matches!(world.gate.create(&owner, past).await, Err(Failure::Invalid { field: "expiresAt", .. })));
}

fn plain_key() -> NewKey {
    NewKey { name: String::new(), user: None, role: None, expires_at: None }
}

#[tokio::test]
async fn nobody_makes_a_key_above_themselves() {
    let world = world(None, false);
    let (owner, _) = world.owner().await;
    let (_, text) = world.key_of(&owner, "ada", Role::Admin).await.unwrap();
    let admin = caller(world.enter(&text).await.unwrap().identity);
    assert!(is_forbidden(world.key_of(&admin, "ada", Role::Owner).await));
    assert!(is_forbidden(world.key_of(&admin, "owner", Role::Member).await), "acting for the owner is above an admin");
    let (_, text) = world.key_of(&admin, "bob", Role::Member).await.unwrap();
    let member = caller(world.enter(&text).await.unwrap().identity);
    assert!(is_forbidden(world.key_of(&member, "bob", Role::Viewer).await));
    assert!(is_forbidden(Keys::list(&world.gate, &member).await));
    // And takes none away from those above.
    let owners = Keys::list(&world.gate, &admin).await.unwrap();
    assert_eq!(owners.len(), 3);
    let of_owner = owners.iter().find(|key| key.user.as_str() == "owner").unwrap();
    assert!(is_forbidden(world.gate.revoke(&admin, &of_owner.id).await));
}

#[tokio::test]
async fn keys_of_another_tenant_do_not_exist() {
    let world = with_secret();
    let (owner, _) = world.owner().await;
    let (id, _) = world.key_of(&owner, "bot", Role::Member).await.unwrap();
    let other = world.enter(&token(json!({ "sub": "eve", "tenant_id": "elsewhere" }))).await.unwrap().identity;
    assert_eq!(other.role, Role::Owner);
    let other = caller(other);
    assert!(Keys::list(&world.gate, &other).await.unwrap().is_empty());
    assert!(matches!(world.gate.revoke(&other, &id).await, Err(Failure::NotFound("key"))));
    assert_eq!(Members::list(&world.gate, &other).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_changed_role_reaches_keys_and_open_connections() {
    let world = world(None, false);
    let (owner, _) = world.owner().await;
    let (_, text) = world.key_of(&owner, "ada", Role::Admin).await.unwrap();
    let open = world.enter(&text).await.unwrap();
    world.gate.set_role(&owner, &user("ada"), Role::Viewer).await.unwrap();
    assert_eq!(*open.standing.borrow(), Standing::Changed(Role::Viewer));
    assert_eq!(world.enter(&text).await.unwrap().identity.role, Role::Viewer);
    world.gate.set_role(&owner, &user("ada"), Role::Owner).await.unwrap();
    assert_eq!(
        world.enter(&text).await.unwrap().identity.role,
        Role::Admin,
        "the key gives no more than it was made for"
    );
    world.gate.remove(&owner, &user("ada")).await.unwrap();
    assert_eq!(*open.standing.borrow(), Standing::Revoked);
    assert_eq!(world.enter(&text).await.unwrap_err(), NotSignedIn::Invalid);
    // Brought back, they need a new key.
    world.gate.set_role(&owner, &user("ada"), Role::Member).await.unwrap();
    assert_eq!(world.enter(&text).await.unwrap_err(), NotSignedIn::Invalid);
}

#[tokio::test]
async fn the_last_owner_stays() {
    let world = world(None, false);
    let (owner, _) = world.owner().await;
    let me = user("owner");
    for outcome in
        [world.gate.set_role(&owner, &me, Role::Admin).await.map(|_| ()), world.gate.remove(&owner, &me).await]
    {
        assert_eq!(outcome.unwrap_err().code(), "last_owner");
    }
    world.gate.set_role(&owner, &user("ada"), Role::Owner).await.unwrap();
    // Of two owners who remove each other at once, one stays.
    let ada = caller(Identity { user: user("ada"), ..owner.identity.clone() });
    let (ada_name, owner_name) = (user("ada"), user("owner"));
    let both = tokio::join!(world.gate.remove(&owner, &ada_name), world.gate.remove(&ada, &owner_name));
    assert!(both.0.is_ok() != both.1.is_ok(), "{both:?}");
}

#[tokio::test]
async fn nobody_gives_or_takes_a_role_above_their_own() {
    let world = world(None, false);
    let (owner, _) = world.owner().await;
    let (_, text) = world.key_of(&owner, "ada", Role::Admin).await.unwrap();
    let admin = caller(world.enter(&text).await.unwrap().identity);
    assert!(is_forbidden(world.gate.set_role(&admin, &user("bob"), Role::Owner).await));
    assert!(is_forbidden(world.gate.set_role(&admin, &user("owner"), Role::Member).await));
    assert!(is_forbidden(world.gate.remove(&admin, &user("owner")).await));
    assert!(world.gate.set_role(&admin, &user("bob"), Role::Admin).await.is_ok());
    let nobody = user("nobody");
    assert!(matches!(world.gate.remove(&owner, &nobody).await, Err(Failure::NotFound("member"))));
}

#[tokio::test]
async fn the_first_who_comes_by_token_owns_the_tenant() {
    let world = with_secret();
    let come = async |name: &str| {
        let claims = json!({ "sub": name, "tenant_id": "team", "email": format!("{name}@example.com") });
        world.enter(&token(claims)).await
    };
    assert_eq!(come("ada").await.unwrap().identity.role, Role::Owner);
    let bob = come("bob").await.unwrap();
    assert_eq!(bob.identity.role, Role::Member);
    assert_eq!(bob.identity.email.as_deref(), Some("bob@example.com"));
    let ada = caller(come("ada").await.unwrap().identity);
    assert_eq!(Members::list(&world.gate, &ada).await.unwrap().len(), 2);

    // A removed member stays out, until somebody brings them back.
    world.gate.remove(&ada, &user("bob")).await.unwrap();
    assert_eq!(*bob.standing.borrow(), Standing::Revoked);
    assert_eq!(come("bob").await.unwrap_err(), NotSignedIn::Invalid);
    world.gate.set_role(&ada, &user("bob"), Role::Viewer).await.unwrap();
    assert_eq!(come("bob").await.unwrap().identity.role, Role::Viewer);
}

#[tokio::test]
async fn a_token_does_not_get_a_name_that_this_gateway_made() {
    let world = with_secret();
    world.owner().await;
    let outcome = world.enter(&token(json!({ "sub": "owner", "tenant_id": "default" }))).await;
    assert_eq!(outcome.unwrap_err(), NotSignedIn::Invalid);
    let other = world.enter(&token(json!({ "sub": "eve", "tenant_id": "default" }))).await.unwrap();
    assert_eq!(other.identity.role, Role::Member, "the tenant has an owner");
}

#[tokio::test]
async fn a_claimed_role_wins_over_the_members_list_and_the_list_follows() {
    let options = JwtOptions {
        secret: Some(SECRET.to_owned()),
        role_claim: Some("role".to_owned()),
        default_role: Some(super::jwt::RoleName::Viewer),
        ..JwtOptions::default()
    };
    let world = world(Some(options), false);
    let come = async |role: serde_json::Value| {
        let claims = json!({ "sub": "ada", "tenant_id": "team", "role": role });
        world.enter(&token(claims)).await.unwrap()
    };
    assert_eq!(come(json!("admin")).await.identity.role, Role::Admin);
    assert_eq!(come(json!("billing_admin")).await.identity.role, Role::BillingAdmin);
    let kept = world.gate.member(&TenantId::new("team").unwrap(), &user("ada")).await.unwrap();
    assert_eq!(kept.value.unwrap().role, Role::BillingAdmin);
    let newcomer = world.enter(&token(json!({ "sub": "bob", "tenant_id": "team" }))).await.unwrap();
    assert_eq!(newcomer.identity.role, Role::Viewer);
}

#[tokio::test]
async fn many_failures_from_one_address_wait_and_known_keys_still_pass() {
    let world = world(None, false);
    let (_, text) = world.owner().await;
    let peer = "192.0.2.7".parse().ok();
    for _ in 0..MOST_FAILURES {
        assert_eq!(world.enter_from("wrong", peer).await.unwrap_err(), NotSignedIn::Invalid);
    }
    let waits = world.enter_from("wrong", peer).await.unwrap_err();
    assert_eq!(waits, NotSignedIn::TooMany { retry_ms: WINDOW_MS });
    assert!(world.enter_from(&text, peer).await.is_ok());
    assert_eq!(world.enter_from("wrong", "192.0.2.8".parse().ok()).await.unwrap_err(), NotSignedIn::Invalid);
    world.clock.advance(WINDOW_MS);
    assert_eq!(world.enter_from("wrong", peer).await.unwrap_err(), NotSignedIn::Invalid);
}

#[tokio::test]
async fn the_last_use_of_a_key_is_written_at_most_once_a_minute() {
    let world = world(None, false);
    let (owner, text) = world.owner().await;
    let last_use = async || {
        world.gate.tasks.close();
        world.gate.tasks.wait().await;
        world.gate.tasks.reopen();
        Keys::list(&world.gate, &owner).await.unwrap()[0].last_used_at
    };
    assert_eq!(last_use().await, Some(NOW));
    world.clock.advance(59_999);
    world.enter(&text).await.unwrap();
    assert_eq!(last_use().await, Some(NOW));
    world.clock.advance(1);
    world.enter(&text).await.unwrap();
    assert_eq!(last_use().await, Some(NOW + 60_000));
}

#[tokio::test]
async fn in_dev_everybody_is_the_developer_but_not_at_every_door() {
    let world = world(None, true);
    for (shown, door) in
        [(None, "native"), (Some("anything"), "jean2"), (Some(""), "diminuendo"), (None, "limacharlie")]
    {
        let carrier = Carrier { token: shown.map(str::to_owned), peer: None, door };
        let signed_in = world.gate.sign_in(carrier).await.unwrap();
        assert_eq!(signed_in.identity, developer());
        assert!(signed_in.standing.has_changed().is_ok(), "the other end stays");
    }
    let sealed = Carrier { token: None, peer: None, door: "happy" };
    assert_eq!(world.gate.sign_in(sealed).await.unwrap_err(), NotSignedIn::Missing);
    world.gate.ensure_member(&developer()).await.unwrap();
    world.gate.ensure_member(&developer()).await.unwrap();
    let listed = Members::list(&world.gate, &caller(developer())).await.unwrap();
    assert_eq!(listed.len(), 1);
}

#[test]
fn what_is_shown_at_the_door_is_not_printed() {
    let carrier = Carrier { token: Some("rjn_secret".to_owned()), peer: None, door: "native" };
    assert!(!format!("{carrier:?}").contains("secret"));
}

/// With the keys of a provider on loopback.
fn with_provider(provider: &Provider) -> World {
    let options = JwtOptions {
        jwks_url: Some(provider.url()),
        issuer: Some("https://id.example".to_owned()),
        audience: Some("rejoin".to_owned()),
        ..JwtOptions::default()
    };
    world(Some(options), false)
}

fn claims(name: &str) -> serde_json::Value {
    json!({ "sub": name, "tenant_id": "team", "iss": "https://id.example", "aud": "rejoin", "exp": NOW / 1000 + 86_400 })
}

#[tokio::test]
async fn tokens_of_a_providers_rsa_and_elliptic_keys_are_taken() {
    let (rsa, elliptic) = (Signer::rsa("r1"), Signer::elliptic("e1"));
    let provider = Provider::start(&[&rsa, &elliptic]).await;
    let world = with_provider(&provider);
    assert_eq!(provider.asked(), 0, "nobody asks before the first token");
    assert!(world.enter(&rsa.sign(&claims("ada"))).await.is_ok());
    assert!(world.enter(&elliptic.sign(&claims("bob"))).await.is_ok());
    assert_eq!(provider.asked(), 1);
    let stranger = Signer::elliptic("e1");
    assert_eq!(world.enter(&stranger.sign(&claims("eve"))).await.unwrap_err(), NotSignedIn::Invalid);
    let mut elsewhere = claims("ada");
    elsewhere["aud"] = json!("other");
    assert_eq!(world.enter(&rsa.sign(&elsewhere)).await.unwrap_err(), NotSignedIn::Invalid);
}

#[tokio::test]
async fn a_public_key_is_never_taken_for_a_secret() {
    let rsa = Signer::rsa("r1");
    let provider = Provider::start(&[&rsa]).await;
    let world = with_provider(&provider);
    let forged = {
        let key = jsonwebtoken::EncodingKey::from_secret(rsa.public().as_bytes());
        let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
        header.kid = Some("r1".to_owned());
        jsonwebtoken::encode(&header, &claims("eve"), &key).unwrap()
    };
    assert_eq!(world.enter(&forged).await.unwrap_err(), NotSignedIn::Invalid);
    assert_eq!(provider.asked(), 0);
}

#[tokio::test]
async fn keys_rotate_without_a_restart_and_made_up_ones_cost_no_fetch() {
    let (old, new) = (Signer::elliptic("old"), Signer::elliptic("new"));
    let provider = Provider::start(&[&old]).await;
    let world = with_provider(&provider);
    assert!(world.enter(&old.sign(&claims("ada"))).await.is_ok());
    // Within the pause after a fetch, an unknown key is not asked for, however often it comes.
    provider.publish(&[&old, &new]);
    for name in ["a", "b", "c"] {
        assert_eq!(world.enter(&new.sign(&claims(name))).await.unwrap_err(), NotSignedIn::Invalid);
    }
    assert_eq!(provider.asked(), 1);
    world.clock.advance(jwks::RETRY_MS);
    assert!(world.enter(&new.sign(&claims("bob"))).await.is_ok());
    assert_eq!(provider.asked(), 2);

    // A key that the provider takes away is gone here too, once ours are not fresh any more.
    provider.publish(&[&new]);
    world.clock.advance(jwks::FRESH_MS);
    assert_eq!(world.enter(&old.sign(&claims("carol"))).await.unwrap_err(), NotSignedIn::Invalid);
    assert!(world.enter(&new.sign(&claims("carol"))).await.is_ok());
    assert_eq!(provider.asked(), 3);
}

#[tokio::test]
async fn a_provider_that_is_away_locks_out_only_those_it_never_vouched_for() {
    let signer = Signer::elliptic("k");
    let provider = Provider::start(&[&signer]).await;
    provider.break_down();
    let world = with_provider(&provider);
    assert_eq!(world.enter(&signer.sign(&claims("ada"))).await.unwrap_err(), NotSignedIn::Unavailable);
    provider.publish(&[&signer]);
    world.clock.advance(jwks::RETRY_MS);
    assert!(world.enter(&signer.sign(&claims("ada"))).await.is_ok());
    provider.break_down();
    world.clock.advance(jwks::FRESH_MS);
    assert!(world.enter(&signer.sign(&claims("bob"))).await.is_ok(), "yesterday's keys still count");
    let other = Signer::elliptic("other");
    assert_eq!(world.enter(&other.sign(&claims("eve"))).await.unwrap_err(), NotSignedIn::Invalid);
}

#[tokio::test]
async fn an_endless_answer_of_a_provider_is_not_read_to_its_end() {
    let signer = Signer::elliptic("k");
    let provider = Provider::start(&[&signer]).await;
    provider.answer_with("x".repeat(4 << 20));
    let world = with_provider(&provider);
    assert_eq!(world.enter(&signer.sign(&claims("ada"))).await.unwrap_err(), NotSignedIn::Unavailable);
}
