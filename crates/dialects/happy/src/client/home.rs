//! The folder in which command lines keep how they signed in.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rejoin_seal::Credentials;
use serde::{Deserialize, Serialize};

use super::{Error, Server};
use crate::payload::Extra;

const HOME_VARIABLE: &str = "HAPPY_HOME_DIR";
const FOLDER: &str = ".happy";
const CREDENTIALS: &str = "access.key";
const SETTINGS: &str = "settings.json";

/// `HAPPY_HOME_DIR`, or `.happy` in the person's home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(PathBuf);

/// `settings.json`. What is not known here is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HomeSettings {
    pub schema_version: u32,
    pub onboarding_completed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webapp_url: Option<String>,
    #[serde(flatten)]
    pub extra: Extra,
}

impl Default for HomeSettings {
    fn default() -> HomeSettings {
        HomeSettings {
            schema_version: 2,
            onboarding_completed: false,
            machine_id: None,
            server_url: None,
            webapp_url: None,
            extra: Extra::new(),
        }
    }
}

impl Home {
    pub fn at(folder: impl Into<PathBuf>) -> Home {
        Home(folder.into())
    }

    pub fn from_env() -> Result<Home, Error> {
        match std::env::var_os(HOME_VARIABLE) {
            Some(folder) if !folder.is_empty() => Ok(Home(expanded(Path::new(&folder)))),
            _ => std::env::home_dir()
                .map(|home| Home(home.join(FOLDER)))
                .ok_or_else(|| Error::io("finding the home folder", io::Error::from(io::ErrorKind::NotFound))),
        }
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// How this computer signed in; None: it has not.
    pub fn credentials(&self) -> Result<Option<Credentials>, Error> {
        let Some(text) = self.read(CREDENTIALS)? else { return Ok(None) };
        Credentials::parse(&text).map(Some).map_err(|why| Error::io("reading credentials", why))
    }

    pub fn save_credentials(&self, credentials: &Credentials) -> Result<(), Error> {
        self.write(CREDENTIALS, &credentials.to_text())
    }

    /// Signs this computer out, as far as it is concerned.
    pub fn forget_credentials(&self) -> Result<(), Error> {
        match fs::remove_file(self.0.join(CREDENTIALS)) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => Err(Error::io("removing credentials", why)),
            _ => Ok(()),
        }
    }

    pub fn settings(&self) -> Result<HomeSettings, Error> {
        let Some(text) = self.read(SETTINGS)? else { return Ok(HomeSettings::default()) };
        serde_json::from_str(&text).map_err(|why| Error::io("reading settings", why))
    }

    pub fn save_settings(&self, settings: &HomeSettings) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(settings).expect("settings are JSON");
        self.write(SETTINGS, &text)
    }

    /// `HAPPY_SERVER_URL`, or what the settings say, or the public server.
    pub fn server(&self) -> Result<Server, Error> {
        if std::env::var_os("HAPPY_SERVER_URL").is_some_and(|url| !url.is_empty()) {
            return Server::from_env();
        }
        match self.settings()?.server_url {
            Some(url) => Server::new(&url),
            None => Server::from_env(),
        }
    }

    fn read(&self, name: &str) -> Result<Option<String>, Error> {
        match fs::read_to_string(self.0.join(name)) {
            Ok(text) => Ok(Some(text)),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(Error::io("reading the home folder", why)),
        }
    }

    /// Whoever reads meanwhile sees the old content or the new one.
    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let write = || {
            fs::create_dir_all(&self.0)?;
            let beside = self.0.join(format!("{name}.{}", uuid::Uuid::now_v7().simple()));
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&beside)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, self.0.join(name))
        };
        write().map_err(|why| Error::io("writing to the home folder", why))
    }
}

/// `~` is what shells put there, where there is one.
fn expanded(folder: &Path) -> PathBuf {
    match (folder.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => folder.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rejoin_seal::{AccountSecret, Token};

    use super::*;

    fn home() -> Home {
        Home::at(std::env::temp_dir().join(format!("rejoin-home-{}", uuid::Uuid::now_v7())))
    }

    #[test]
    fn credentials_are_there_again_until_they_are_forgotten() {
        let home = home();
        assert_eq!(home.credentials().unwrap(), None);
        let token = Token::new("t.o.k".to_owned()).expect("it is a token");
        let credentials = Credentials::Legacy { token, secret: AccountSecret::random() };
        home.save_credentials(&credentials).unwrap();
        assert_eq!(home.credentials().unwrap(), Some(credentials));
        home.forget_credentials().unwrap();
        home.forget_credentials().unwrap();
        assert_eq!(home.credentials().unwrap(), None);
    }

    #[test]
    fn settings_of_others_are_kept() {
        let home = home();
        home.save_settings(&HomeSettings::default()).unwrap();
        let text = r#"{"schemaVersion":3,"onboardingCompleted":true,"chromeMode":"x","machineId":"m"}"#;
        home.write(SETTINGS, text).unwrap();
        let settings = home.settings().unwrap();
        home.save_settings(&settings).unwrap();
        let after: serde_json::Value = serde_json::from_str(&home.read(SETTINGS).unwrap().unwrap()).unwrap();
        assert_eq!(after, serde_json::from_str::<serde_json::Value>(text).unwrap());
    }
}
