/** The types of dalston.js; docs/protocol.md describes the parameters and events. */

export interface SessionParameters {
  model?: string;
  language?: string;
  encoding?: "pcm_s16le";
  sample_rate?: number;
  channels?: number;
  channel_mode?: "mix" | "separate";
  interim_results?: boolean;
  enable_vad?: boolean;
  word_timestamps?: boolean;
  min_silence_ms?: number | "auto";
  vocabulary?: string[];
  timing?: boolean;
  overflow?: "reject" | "queue" | "degrade";
  store?: boolean;
  enhance_on_end?: boolean;
  metadata?: Record<string, unknown>;
}

export interface ConnectOptions extends SessionParameters {
  /** The server, `https://host` or `wss://host`; the one that this module came from where it is left out. */
  url?: string | URL;
  /** A short-lived token, or what gets one: it is asked for each connection. */
  token?: string | (() => string | null | Promise<string | null>);
  /** Seconds for which a lost connection is tried again (300). */
  resumeFor?: number;
  /** Seconds of audio that may wait while there is no connection, and that are kept once sent (60). */
  bufferSeconds?: number;
}

export interface Word { word: string; start?: number; end?: number; confidence?: number }
export interface Segment { utterance: number; text: string; start?: number; end?: number }
export type Timing = Record<string, number>;

export interface SessionQueued { type: "session.queued"; seq: number; position: number; expected_wait?: number }
export interface SessionBegin {
  type: "session.begin"; seq: number; session_id: string; resume_token?: string; model?: string; variant?: string;
  language?: string; degraded?: boolean; config?: Record<string, unknown>; features?: Record<string, boolean>;
}
export interface SessionResumed {
  type: "session.resumed"; seq: number; session_id: string; replayed_from: number; audio_received: number;
  messages_received: number;
}
export interface SpeechEvent { type: "vad.speech_start" | "vad.speech_end"; seq: number; timestamp: number; channel?: number }
export interface Partial {
  type: "transcript.partial"; seq: number; utterance: number; text: string; stable?: number; start?: number;
  end?: number; channel?: number; timing?: Timing;
}
export interface Final {
  type: "transcript.final"; seq: number; utterance: number; text: string; start?: number; end?: number;
  language?: string; confidence?: number; words?: Word[]; flush_id?: string; channel?: number; timing?: Timing;
}
export interface ServerWarning { type: "warning"; seq: number; code: string; message: string; [figure: string]: unknown }
export interface ServerError { type: "error"; seq: number; code: string; message: string; recoverable: boolean; retry_after?: number }
export interface SessionEnd {
  type: "session.end"; seq: number; session_id?: string; transcript?: string; segments?: Segment[];
  audio_duration?: number; speech_duration?: number; reason?: string; enhancement_job_id?: string;
}
/** Of this module: the connection was opened, lost, or the session is over. */
export interface StateChange { type: "state"; state: SessionState }
/** Of this module: the server gave the session up, and another one goes on behind `offset` seconds. */
export interface SessionRestarted { type: "session.restarted"; offset: number }

export type SessionState = "connecting" | "open" | "lost" | "ended";
export type DalstonEvent =
  | SessionQueued | SessionBegin | SessionResumed | SpeechEvent | Partial | Final | ServerWarning | ServerError
  | SessionEnd | StateChange | SessionRestarted;

export function connect(options?: ConnectOptions): LiveSession;

export class LiveSession {
  constructor(options: ConnectOptions);
  readonly sessionId: string | null;
  readonly state: SessionState;
  readonly done: Promise<SessionEnd | null>;
  readonly waitingSeconds: number;
  on<T extends DalstonEvent["type"]>(type: T, handler: (event: Extract<DalstonEvent, { type: T }>) => void): () => boolean;
  on(type: "*", handler: (event: DalstonEvent) => void): () => boolean;
  send(samples: Int16Array | Uint8Array | ArrayBuffer): boolean;
  flush(id?: string): string;
  configure(changes: Pick<SessionParameters, "min_silence_ms" | "language" | "interim_results">): void;
  keepalive(): void;
  end(): Promise<SessionEnd | null>;
  close(): void;
  ready(seconds?: number): Promise<void>;
}

export class AudioCapture {
  static microphone(options?: {
    deviceId?: string; echoCancellation?: boolean; noiseSuppression?: boolean; channels?: number;
  }): Promise<AudioCapture>;
  static tab(options?: { channels?: number }): Promise<AudioCapture>;
  static element(element: HTMLMediaElement, options?: { channels?: number }): Promise<AudioCapture>;
  readonly sampleRate: number;
  readonly channels: number;
  onaudio: (samples: Int16Array, peak: number) => void;
  onended: (reason: "unplugged" | "ended") => void;
  stop(): Promise<void>;
}

export function decodeFile(file: File): Promise<Int16Array>;
export function captureError(error: Error): DalstonError;

export class DalstonError extends Error {
  constructor(code: string, message: string, about?: { closeCode?: number; status?: number; retryAfter?: number });
  readonly code: string;
  readonly closeCode?: number;
  readonly status?: number;
  readonly retryAfter?: number;
}
