//! `rejoin terminal`, as a person has it: in a terminal of their own.

mod shared;

use std::time::Duration;

use rejoin_machine::shell::{End, Shell};
use rejoin_machine::terminal::{From, Piece, Run, Size, Spec, Terminal, Viewer};
use shared::Gateway;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(60);

/// A person at a terminal with the program running in it.
struct Person {
    terminal: Terminal,
    viewer: Viewer,
    seen: String,
}

impl Person {
    fn runs(gateway: &Gateway, words: &[&str]) -> Person {
        let program = Run::Program {
            program: env!("CARGO_BIN_EXE_rejoin").to_owned(),
            args: words.iter().map(|word| (*word).to_owned()).collect(),
        };
        let data = gateway.data().to_str().unwrap().to_owned();
        let env = vec![("REJOIN_URL".to_owned(), gateway.url.clone()), ("REJOIN_DATA".to_owned(), data)];
        let spec = Spec { env, size: Size::new(70, 20), ..Spec::new(program, "/tmp") };
        let terminal = Terminal::open(&spec, &Shell::unwatched()).unwrap();
        let viewer = terminal.view(From::Scrollback);
        Person { terminal, viewer, seen: String::new() }
    }

    async fn sees(&mut self, what: &str) {
        while !self.seen.contains(what) {
            let piece = timeout(SOON, self.viewer.next()).await.unwrap_or_else(|_| panic!("{what:?}: {:?}", self.seen));
            match piece {
                Some(Piece::Output { bytes, .. }) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Some(Piece::Exited(_)) | None => panic!("{what:?} did not come: {:?}", self.seen),
                Some(Piece::Snapshot(_) | Piece::Resized(_)) => {}
            }
        }
    }

    async fn types(&self, keys: &str) {
        self.terminal.write(keys.to_owned().into()).await.unwrap();
    }

    async fn ends(&self) -> End {
        timeout(SOON, self.terminal.wait()).await.expect("it ends")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_goes_in_leaves_and_comes_back() {
    let gateway = Gateway::start();
    let session = gateway.ok(&["new", "--agent", "echo"]);
    let inside = "stty size; while read line; do [ \"$line\" = size ] && stty size || echo got \"$line\"; done; exit 5";
    let mut person = Person::runs(&gateway, &["terminal", "new", &session, "--", inside]);
    person.sees("20 70").await;
    person.types("hello\r").await;
    person.sees("got hello").await;
    // A wider window here is a wider one there.
    person.terminal.resize(Size::new(90, 30).unwrap());
    while !person.seen.contains("30 90") {
        person.types("size\r").await;
        person.sees("\n30 ").await;
    }
    // Leaving ends nothing.
    person.types("\x1d").await;
    person.sees("it goes on").await;
    assert_eq!(person.ends().await, End::Exited(0));

    let listed = gateway.ok(&["terminal", "ls", &session]);
    assert!(listed.contains("running") && listed.contains("90x30") && listed.contains("0 looking"), "{listed}");
    let mut back = Person::runs(&gateway, &["terminal", "attach", &session]);
    back.sees("got hello").await;
    back.types("once more\r").await;
    back.sees("got once more").await;
    back.types("\x04").await;
    back.sees("it exited with 5").await;
    assert_eq!(back.ends().await, End::Exited(1));
    assert!(gateway.ok(&["terminal", "ls", &session]).contains("exited 5"));
}

#[test]
fn scripts_use_terminals_too() {
    let gateway = Gateway::start();
    let session = gateway.ok(&["new", "--agent", "echo"]);
    let plain = gateway.ok(&["terminal", "new", &session, "--plain", "--", "tr", "a-z", "A-Z"]);
    let said = gateway.with_input(&["terminal", "attach", &session, &plain], "shout\n");
    assert_eq!((said.out.as_str(), said.code), ("SHOUT\n", 0), "{said:?}");
    let screen = gateway.ok(&["terminal", "new", &session, "--size", "40x10", "--", "stty size; sleep 600"]);
    let listed = gateway.json(&["terminal", "ls", &session]);
    assert_eq!(listed[1]["size"], serde_json::json!({ "cols": 40, "rows": 10 }));
    gateway.ok(&["terminal", "kill", &session, &screen]);
    assert_eq!(gateway.json(&["terminal", "ls", &session]).len(), 1);
    assert_eq!(gateway.run(&["terminal", "kill", &session, &screen]).code, 3);
    assert_eq!(gateway.run(&["terminal", "attach", &session]).code, 3, "none runs");
    assert_eq!(gateway.run(&["terminal", "new", &session, "--size", "9999x1"]).code, 4);
    assert_eq!(gateway.run(&["terminal", "new", &session, "--size", "wide"]).code, 2);
}
