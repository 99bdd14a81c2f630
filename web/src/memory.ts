// What this tab of the browser remembers of a lab: which view and which panes were in front, across reloads and languages.

import { step } from "./store.ts";

const key = (name: string): string => `${step.peek().lab}.${name}`;

export const recall = (name: string): string => sessionStorage.getItem(key(name)) ?? "";

export const remember = (name: string, value: string): void => sessionStorage.setItem(key(name), value);
