// Requests to the server. An error is a code with parameters, and becomes words here.

import { step } from "./store.ts";
import type { Problem } from "./types.ts";

export class Refused extends Error {
  constructor(readonly problem: Problem) {
    super(problem.code);
  }
}

const base = (): string => {
  const s = step.peek();
  return `/api/l/${encodeURIComponent(s.lab)}/${encodeURIComponent(s.step)}/`;
};

async function request(method: string, path: string, body?: unknown): Promise<Response> {
  const init: RequestInit = { method, headers: {} };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "Content-Type": "application/json" };
  }
  let response: Response;
  try {
    response = await fetch(base() + path, init);
  } catch {
    throw new Refused({ code: "unavailable", params: { what: "server" } });
  }
  if (response.ok) return response;
  const answer = (await response.json().catch(() => null)) as { error?: Problem } | null;
  throw new Refused(answer?.error ?? { code: "internal" });
}

/** Posts and returns the JSON of the answer, null when there is none. */
export async function post<T = null>(path: string, body: unknown = {}): Promise<T> {
  const response = await request("POST", path, body);
  return (response.status === 204 ? null : await response.json().catch(() => null)) as T;
}

export const readFile = async (name: string): Promise<string> => (await request("GET", `file/${encodeURIComponent(name)}`)).text();
