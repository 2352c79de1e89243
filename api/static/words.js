/* The words of the page in both languages, and how numbers, times and plurals are written in them. */

const WORDS = {
  en: {
    skip: "Skip to the content", signIn: "Sign in", key: "API key", enter: "Enter", leave: "Sign out", close: "Close",
    signInHint: "The operator's key is in the file operator.key of the data folder. It stays in this tab only.",
    companyName: "Company", board: "The exchange now", today: "Today", callsNow: "Calls now", online: "Online devices",
    lastCalls: "Last calls", story: "Story of the call", state: "State", from: "From", to: "To", lasts: "Lasts",
    device: "Device", address: "Where", began: "Began", result: "Result", waited: "Waited", talked: "Talked",
    sound: "Sound (MOS)", noCalls: "Nobody is calling right now.", noDevices: "No device is registered.",
    noRecords: "No calls yet.", live: "live", connecting: "connecting…",
    noAccess: "This key may not see this.", badKey: "This key is not known. Copy it whole.", expiredKey: "This key has expired.",
    unreachable: "The exchange does not answer.", faulty: "The exchange cannot answer now; try again in a moment.",
    noCompany: "There is no company yet. Make one: tandem apply FILE", nameless: "This key belongs to no company and may not list them.",
    polling: "every 5 s", lost: "no connection since {time}", back: "connected again", reading: "One moment…", other: "Русский", stranger: "unknown number", show: "Why?",
    calls: "Calls now", offered: "Calls today", answered: "Answered", missed: "Missed", wait: "Mean wait",
    talk: "Mean talk", ringing: "ringing", talking: "talking", announcing: "announcement", goes: "going on",
    announcement: "announcement", s: "s", percent: "of those offered",
    caller_hung_up: "talked", callee_hung_up: "talked", abandoned: "caller left", terminal: "not reached",
    not_reached: "not reached", refused: "refused", command: "ended by command", transferred: "transferred", media_lost: "sound lost",
    decision_late: "refused", node_failure: "exchange failed", shutdown: "exchange stopped", crashed: "error",
    trunks: "Trunks", by_address: "by address", registering: "registering", registered: "registered",
    reachable: "answers", unreachable: "does not answer", down: "no answer from",
    news: { one: "{n} call now", other: "{n} calls now" },
  },
  ru: {
    skip: "К содержанию", signIn: "Вход", key: "Ключ API", enter: "Войти", leave: "Выйти", close: "Закрыть",
    signInHint: "Ключ оператора лежит в файле operator.key в папке данных. Он хранится только в этой вкладке.",
    companyName: "Компания", board: "Станция сейчас", today: "Сегодня", callsNow: "Сейчас звонят", online: "Устройства в сети",
    lastCalls: "Последние звонки", story: "История звонка", state: "Состояние", from: "Кто", to: "Кому", lasts: "Длится",
    device: "Устройство", address: "Где", began: "Начало", result: "Итог", waited: "Ожидание", talked: "Разговор",
    sound: "Звук (MOS)", noCalls: "Сейчас никто не звонит.", noDevices: "Ни одно устройство не зарегистрировано.",
    noRecords: "Звонков ещё не было.", live: "на связи", connecting: "подключение…",
    noAccess: "Этот ключ не даёт права это видеть.", badKey: "Такого ключа нет. Скопируйте его целиком.", expiredKey: "Срок этого ключа истёк.",
    unreachable: "Станция не отвечает.", faulty: "Станция сейчас не может ответить; попробуйте чуть позже.",
    noCompany: "Компаний пока нет. Создайте её: tandem apply ФАЙЛ", nameless: "Этот ключ не принадлежит компании и не может увидеть их список.",
    polling: "раз в 5 с", lost: "нет связи с {time}", back: "связь восстановлена", reading: "Минуту…", other: "English", stranger: "неизвестный номер", show: "Почему?",
    calls: "Сейчас звонят", offered: "Звонков сегодня", answered: "Отвечено", missed: "Пропущено", wait: "Среднее ожидание",
    talk: "Средний разговор", ringing: "вызов", talking: "разговор", announcing: "объявление", goes: "идёт",
    announcement: "объявление", s: "с", percent: "от поступивших",
    caller_hung_up: "разговор", callee_hung_up: "разговор", abandoned: "не дождался", terminal: "не дозвонился",
    not_reached: "не дозвонился", refused: "отказано", command: "завершён командой", transferred: "переведён", media_lost: "пропал звук",
    decision_late: "отказано", node_failure: "сбой станции", shutdown: "станция остановлена", crashed: "ошибка",
    trunks: "Транки", by_address: "по адресу", registering: "регистрируется", registered: "зарегистрирован",
    reachable: "отвечает", unreachable: "не отвечает", down: "нет ответа от",
    news: { one: "Сейчас {n} звонок", few: "Сейчас {n} звонка", many: "Сейчас {n} звонков", other: "Сейчас {n} звонка" },
  },
};

export let language = stored("tandem.language") ?? (navigator.languages.some((l) => l.startsWith("ru")) ? "ru" : "en");

export function speak(next) {
  language = next;
  try { localStorage.setItem("tandem.language", next); } catch { /* a private window keeps nothing */ }
  document.documentElement.lang = language;
  const other = document.getElementById("language");
  other.textContent = word("other");
  other.lang = language === "ru" ? "en" : "ru";
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = word(element.dataset.word);
}

export const word = (name) => WORDS[language][name] ?? name;

export function counted(name, n) {
  const forms = WORDS[language][name];
  return (forms[new Intl.PluralRules(language).select(n)] ?? forms.other).replace("{n}", whole(n));
}

export const whole = (n) => new Intl.NumberFormat(language).format(n);

export const decimal = (n, digits = 1) =>
  new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(n);

export const seconds = (ms) => (ms == null ? "—" : ms < 60000 ? `${decimal(ms / 1000)} ${word("s")}` : clock(ms));

/** A word with its time of day. */
export const timed = (name, at) =>
  word(name).replace("{time}", new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(at));

/** 65 s → "1:05"; 3,665 s → "1:01:05". */
export function clock(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(s / 3600);
  return (hours ? `${hours}:${two(Math.floor(s / 60) % 60)}` : `${Math.floor(s / 60)}`) + `:${two(s % 60)}`;
}

export function moment(iso) {
  const at = new Date(iso);
  const today = at.toDateString() === new Date().toDateString();
  const shape = { hour: "2-digit", minute: "2-digit", second: "2-digit", ...(today ? {} : { day: "2-digit", month: "2-digit" }) };
  return new Intl.DateTimeFormat(language, shape).format(at);
}

function stored(name) {
  try { return localStorage.getItem(name); } catch { return null; }
}
