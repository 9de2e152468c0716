//! From the parser's tree to the list of stages.

use brush_parser::ast::{
    AndOr, AndOrList, AssignmentName, AssignmentValue, Command, CommandPrefixOrSuffixItem as Item, CompoundCommand,
    CompoundList, IoRedirect, Pipeline, SimpleCommand,
};

use super::unwrap::{Inner, Unwrapped};
use super::{Assignment, MAX_STAGES, MAX_WRAPPED, Opaque, Stage, Word, builtin, condition, guard, unwrap, word};

pub(super) struct Walk {
    stages: Vec<Stage>,
    opaque: Option<Opaque>,
    /// How many commands around this one carry it as text.
    depth: usize,
}

impl Walk {
    pub(super) fn new() -> Walk {
        Walk { stages: Vec::new(), opaque: None, depth: 0 }
    }

    pub(super) fn finish(self) -> (Vec<Stage>, Option<Opaque>) {
        (self.stages, self.opaque)
    }

    /// Reads one text as a shell would.
    pub(super) fn script(&mut self, text: &str, depth: usize) {
        if depth > MAX_WRAPPED {
            return self.note(Opaque::TooComplex);
        }
        if let Err(reason) = guard::check_text(text) {
            if reason != Opaque::TooLong {
                self.roughly(text);
            }
            return self.note(reason);
        }
        let tokens = match guard::tokens(text) {
            Ok(tokens) => tokens,
            Err(reason) => {
                self.roughly(text);
                return self.note(reason);
            }
        };
        if let Err(reason) = guard::check_words(&tokens) {
            self.note(reason);
        }
        let Ok(program) = brush_parser::parse_tokens(&tokens, &guard::options()) else {
            self.roughly(text);
            return self.note(Opaque::Unparsable);
        };
        let around = std::mem::replace(&mut self.depth, depth);
        program.complete_commands.iter().for_each(|list| self.list(list));
        self.depth = around;
    }

    pub(super) fn note(&mut self, reason: Opaque) {
        self.opaque.get_or_insert(reason);
    }

    pub(super) fn push(&mut self, stage: Stage) {
        if self.stages.len() < MAX_STAGES {
            self.stages.push(stage);
        } else {
            self.note(Opaque::TooComplex);
        }
    }

    /// What a text that is not understood seems to run. The shell may well run a part of it before it stumbles.
    fn roughly(&mut self, text: &str) {
        for piece in text.split(['\n', ';', '&', '|', '(', ')', '{', '}', '`']).take(MAX_STAGES) {
            let mut words = piece.split_whitespace().map(|word| Word::dynamic(word.replace(['\'', '"', '\\'], "")));
            if let Some(program) = words.next().filter(|word| !word.text.is_empty()) {
                self.push(Stage { program: program.text, args: words.collect(), ..Stage::default() });
            }
        }
    }

    pub(super) fn list(&mut self, list: &CompoundList) {
        list.0.iter().for_each(|item| self.and_or(&item.0));
    }

    fn and_or(&mut self, list: &AndOrList) {
        self.pipeline(&list.first);
        for AndOr::And(pipeline) | AndOr::Or(pipeline) in &list.additional {
            self.pipeline(pipeline);
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline) {
        pipeline.seq.iter().for_each(|command| self.command(command));
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Simple(simple) => self.simple(simple),
            Command::Compound(compound, redirects) => {
                self.compound(compound);
                self.redirects_of_group(redirects.as_ref());
            }
            // The body counts as run; a call is a stage of its own, by the function's name.
            Command::Function(function) => {
                self.word(&function.fname.value);
                self.compound(&function.body.0);
                self.redirects_of_group(function.body.1.as_ref());
            }
            Command::ExtendedTest(test, redirects) => {
                condition::read(self, &test.expr);
                self.redirects_of_group(redirects.as_ref());
            }
        }
    }

    fn compound(&mut self, compound: &CompoundCommand) {
        match compound {
            CompoundCommand::Arithmetic(_) => self.note(Opaque::Arithmetic),
            CompoundCommand::ArithmeticForClause(clause) => {
                self.note(Opaque::Arithmetic);
                self.list(&clause.body.list);
            }
            CompoundCommand::BraceGroup(group) => self.list(&group.list),
            CompoundCommand::Subshell(subshell) => self.list(&subshell.list),
            CompoundCommand::ForClause(clause) => {
                self.check(builtin::check_variable(&clause.variable_name));
                for value in clause.values.iter().flatten() {
                    self.word(&value.value);
                }
                self.list(&clause.body.list);
            }
            CompoundCommand::CaseClause(clause) => {
                self.word(&clause.value.value);
                for case in &clause.cases {
                    for pattern in &case.patterns {
                        self.word(&pattern.value);
                    }
                    case.cmd.iter().for_each(|list| self.list(list));
                }
            }
            CompoundCommand::IfClause(clause) => {
                self.list(&clause.condition);
                self.list(&clause.then);
                for otherwise in clause.elses.iter().flatten() {
                    otherwise.condition.iter().for_each(|list| self.list(list));
                    self.list(&otherwise.body);
                }
            }
            CompoundCommand::WhileClause(clause) | CompoundCommand::UntilClause(clause) => {
                self.list(&clause.0);
                self.list(&clause.1.list);
            }
            CompoundCommand::Coprocess(coprocess) => {
                if let Some(name) = &coprocess.name {
                    self.check(builtin::check_variable(&name.value));
                }
                self.command(&coprocess.body);
            }
        }
    }

    fn simple(&mut self, simple: &SimpleCommand) {
        if sh_sees_two_commands(simple) {
            self.note(Opaque::Unclear);
        }
        let mut stage = Stage::default();
        for item in simple.prefix.iter().flat_map(|prefix| &prefix.0) {
            self.item(item, &mut stage, true);
        }
        if let Some(name) = &simple.word_or_name {
            let program = self.word(&name.value);
            if program.dynamic || program.text.is_empty() {
                self.note(Opaque::DynamicProgram);
            }
            stage.program = program.text;
        }
        for item in simple.suffix.iter().flat_map(|suffix| &suffix.0) {
            self.item(item, &mut stage, false);
        }
        self.stage(stage);
    }

    fn item(&mut self, item: &Item, stage: &mut Stage, before_program: bool) {
        match item {
            Item::IoRedirect(redirect) => self.redirect(redirect, stage),
            Item::Word(word) => stage.args.push(self.word(&word.value)),
            Item::AssignmentWord(assignment, word) if before_program => {
                let name = match &assignment.name {
                    AssignmentName::VariableName(name) => name.clone(),
                    AssignmentName::ArrayElementName(name, index) => {
                        if !index.bytes().all(|byte| byte.is_ascii_digit()) {
                            self.note(Opaque::Arithmetic); // or a key; only the variable's past tells
                        }
                        name.clone()
                    }
                };
                let value = match &assignment.value {
                    AssignmentValue::Scalar(value) => self.word(&value.value),
                    AssignmentValue::Array(elements) => {
                        for (key, value) in elements {
                            if key.as_ref().is_some_and(|key| !key.value.bytes().all(|byte| byte.is_ascii_digit())) {
                                self.note(Opaque::Arithmetic);
                            }
                            self.word(&value.value);
                        }
                        Word::dynamic(word.value.split_once('=').map_or("", |(_, value)| value))
                    }
                };
                stage.assignments.push(Assignment { name, value });
            }
            // `export A=b`: a word of the program's, and kept as it would be typed.
            Item::AssignmentWord(_, word) => stage.args.push(self.word(&word.value)),
            Item::ProcessSubstitution(_, subshell) => {
                self.note(Opaque::ProcessSubstitution);
                self.list(&subshell.list);
            }
        }
    }

    pub(super) fn word(&mut self, raw: &str) -> Word {
        word::decode(raw).unwrap_or_else(|reason| {
            self.refused_word(raw, reason);
            Word::dynamic(raw)
        })
    }

    /// Notes why a word is opaque, and still shows what it would run.
    pub(super) fn refused_word(&mut self, raw: &str, reason: Opaque) {
        let runs = reason == Opaque::CommandSubstitution;
        self.note(reason);
        if runs {
            let depth = self.depth + 1;
            word::substitutions(raw).into_iter().for_each(|inner| self.script(inner, depth));
        }
    }

    fn check(&mut self, outcome: Result<(), Opaque>) {
        if let Err(reason) = outcome {
            self.note(reason);
        }
    }

    /// Adds a stage, and what it runs in its turn.
    fn stage(&mut self, mut stage: Stage) {
        for assignment in &stage.assignments {
            let outcome = builtin::check_variable(&assignment.name);
            self.check(outcome);
        }
        self.check(builtin::check(&stage));
        match unwrap::unwrap(&stage) {
            Unwrapped::Plain => self.push(stage),
            Unwrapped::Opaque(reason) => {
                self.note(reason);
                self.push(stage);
            }
            Unwrapped::Runs { inner, alone } => {
                stage.wrapper = alone;
                self.push(stage);
                inner.into_iter().for_each(|inner| self.inner(inner));
            }
        }
    }

    fn inner(&mut self, inner: Inner) {
        let depth = self.depth + 1;
        if depth > MAX_WRAPPED {
            return self.note(Opaque::TooComplex);
        }
        match inner {
            Inner::Script(text) => self.script(&text, depth),
            Inner::Command { assignments, mut words } => {
                if words.is_empty() {
                    return self.note(Opaque::DynamicProgram);
                }
                let program = words.remove(0);
                if program.dynamic || program.text.is_empty() {
                    self.note(Opaque::DynamicProgram);
                }
                let around = std::mem::replace(&mut self.depth, depth);
                self.stage(Stage { program: program.text, args: words, assignments, ..Stage::default() });
                self.depth = around;
            }
        }
    }
}

/// `a &>f b`: to bash one command, to sh `a &` and then `>f b`.
fn sh_sees_two_commands(simple: &SimpleCommand) -> bool {
    let is_both = |item: &Item| matches!(item, Item::IoRedirect(IoRedirect::OutputAndError(..)));
    let suffix = simple.suffix.iter().flat_map(|suffix| &suffix.0);
    let mut behind = suffix.skip_while(|item| !is_both(item));
    simple.prefix.iter().flat_map(|prefix| &prefix.0).any(is_both)
        || behind.any(|item| !matches!(item, Item::IoRedirect(_)))
}
