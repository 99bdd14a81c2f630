declare module "words:*";
