"use strict";
// A phone in a browser. What happens to it stands in `told`, one line each, the newest last.

const phone = {
  told: [],
  session: null,

  start({ url, user, domain, password, expires }) {
    const socket = new JsSIP.WebSocketInterface(url);
    this.ua = new JsSIP.UA({
      sockets: [socket],
      uri: `sip:${user}@${domain}`,
      password,
      register_expires: expires,
      connection_recovery_min_interval: 1,
      connection_recovery_max_interval: 1,
    });
    const tell = (words) => this.told.push(words);
    this.ua.on("connected", () => tell("connected"));
    this.ua.on("disconnected", () => tell("disconnected"));
    this.ua.on("registered", ({ response }) => tell(`registered ${response.status_code}`));
    this.ua.on("unregistered", () => tell("unregistered"));
    this.ua.on("registrationFailed", ({ cause }) => tell(`not registered: ${cause}`));
    this.ua.on("newRTCSession", ({ originator, session }) => {
      this.session = session;
      if (originator === "remote") tell(`rings for ${session.remote_identity.display_name}`);
      session.on("accepted", () => tell("accepted"));
      session.on("ended", ({ cause }) => tell(`ended: ${cause}`));
      session.on("failed", ({ cause, message }) => {
        const warning = message?.getHeader?.("Warning");
        tell(`failed: ${cause}` + (warning ? ` (${message.status_code} ${warning})` : ""));
      });
    });
    this.ua.start();
  },

  call: (number) => phone.ua.call(number, { mediaConstraints: { audio: true, video: false } }),
  decline: () => phone.session.terminate({ status_code: 603 }),
  answer: () => phone.session.answer({ mediaConstraints: { audio: true, video: false } }),
  unregister: () => phone.ua.unregister(),
};
