//! The `rejoin` program: starts a gateway, and talks to one.

mod acp;
mod answering;
mod attach;
mod exit;
mod here;
mod out;
mod render;
mod terminal;
mod verbs;

use std::process::ExitCode;

use clap::Parser;

use exit::Exit;
use here::Here;
use verbs::Verb;

/// Long strings of short-lived buffers are what a gateway does all day; this allocator gives their memory back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Coding-agent sessions that people leave and rejoin
#[derive(Debug, Parser)]
#[command(name = "rejoin", version, after_help = exit::CODES, max_term_width = 110)]
struct Line {
    #[command(flatten)]
    here: Here,
    #[command(subcommand)]
    verb: Verb,
}

fn main() -> ExitCode {
    // The helper must get rid of what it inherited before anything else happens, so it is no ordinary verb.
    if std::env::args_os().nth(1).is_some_and(|word| word == verbs::serve::REAPER) {
        return rejoin_machine::reaper::main();
    }
    let line = match Line::try_parse() {
        Ok(line) => line,
        Err(error) => {
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            let _ = error.print(); // whoever asked may not want to read it
            return code.into();
        }
    };
    match line.verb.run(&line.here) {
        Ok(exit) => exit.into(),
        Err(error) => told(&line.here, error).into(),
    }
}

/// Says what went wrong.
fn told(here: &Here, error: anyhow::Error) -> Exit {
    let error = here.explain(error);
    let Some(exit) = exit::of(&error) else {
        return Exit::Ok; // whoever read our output has seen enough
    };
    match here.json {
        true => eprintln!("{}", exit::json(&error, exit)),
        false => eprintln!("rejoin: {}", exit::message(&error)),
    }
    exit
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Line::command().debug_assert();
    }

    #[test]
    fn options_may_stand_before_and_behind_the_verb() {
        for words in [
            ["rejoin", "--json", "--url", "http://127.0.0.1:1", "ls"],
            ["rejoin", "ls", "--json", "--url", "http://127.0.0.1:1"],
        ] {
            let line = Line::try_parse_from(words).unwrap();
            assert!(line.here.json);
            assert_eq!(line.here.url(), "http://127.0.0.1:1");
        }
    }

    #[test]
    fn every_exit_code_is_in_the_help() {
        for code in 0..=8u8 {
            assert!(exit::CODES.contains(&format!("\n  {code}  ")), "{code}");
        }
    }
}
