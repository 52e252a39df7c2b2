# bash completion for telltale
# shellcheck shell=bash

_telltale_words() { # WORDS: those that start with what is typed
  mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

_telltale_names() { # instances, as the daemon knows them; none when it does not answer
  # Command and socket as on the line, so that the same daemon is asked.
  local socket=() at
  for ((at = 1; at < COMP_CWORD; at++)); do
    if [[ ${COMP_WORDS[at]} == --socket && ${COMP_WORDS[at + 1]} != "=" ]]; then
      socket=(--socket "${COMP_WORDS[at + 1]}")
    elif [[ ${COMP_WORDS[at]} == --socket ]]; then
      socket=(--socket "${COMP_WORDS[at + 2]}")
    fi
  done
  "${COMP_WORDS[0]}" instance list "${socket[@]}" 2>/dev/null | awk 'NR > 1 && $1 ~ /^[A-Za-z0-9_-]+$/ {print $1}'
}

_telltale_value() { # what may stand behind a flag; fails when it takes nothing
  case $1 in
    --http-tokens) _telltale_words "required optional" "$2" ;;
    --http-endpoint | --http-protocol-ipv6 | --instance-metadata-tags)
      _telltale_words "enabled disabled" "$2" ;;
    --since) _telltale_words "15m 1h 24h 7d 4w" "$2" ;;
    --period) _telltale_words "60 300 900 3600 10800 21600 86400" "$2" ;;
    --log-level) _telltale_words "error warn info debug" "$2" ;;
    --config | -c | --instances | --socket)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
    --listen | --control | --store | --workers | --http-put-response-hop-limit | --endpoint | --to | --forget)
      COMPREPLY=() ;;
    *) return 1 ;;
  esac
}

_telltale_flags() { # those of a command
  case $1 in
    serve) echo --config --listen --instances --control --store --workers --log-level --socket ;;
    options)
      echo --http-tokens --http-endpoint --http-put-response-hop-limit --http-protocol-ipv6
      echo --instance-metadata-tags --json --socket ;;
    metrics) echo --since --period --json --socket ;;
    get) echo --endpoint ;;
    fleet) echo --forget --json --socket ;;
    "instance move") echo --to --force --json --socket ;;
    "config check") ;;
    audit | "instance "* | "identity "* | "secret "* | "config "*) echo --json --socket ;;
    "") echo --version ;;
  esac
  echo --help
}

_telltale() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local command="" names=0 at
  COMPREPLY=()
  # "--flag=value" is three words to bash.
  if [[ $word == "=" ]]; then
    word=""
  elif [[ $before == "=" ]]; then
    before=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  if _telltale_value "$before" "$word"; then
    return
  fi
  for ((at = 1; at < COMP_CWORD; at++)); do
    case ${COMP_WORDS[at]} in
      --json | --force | --help | --version | -h | -V) ;;
      -*)
        at=$((at + 1))
        if [[ ${COMP_WORDS[at]} == "=" ]]; then at=$((at + 1)); fi ;;
      help) ;;
      *)
        case $command in
          "") command=${COMP_WORDS[at]} ;;
          instance | identity | secret | config) command+=" ${COMP_WORDS[at]}" ;;
          *) names=$((names + 1)) ;;
        esac ;;
    esac
  done
  if [[ $word == -* ]]; then
    _telltale_words "$(_telltale_flags "$command")" "$word"
    return
  fi
  case $command in
    "") _telltale_words "serve instance options metrics fleet secret audit identity get config help" "$word" ;;
    instance) _telltale_words "list show put delete revoke move" "$word" ;;
    identity) _telltale_words "certificate" "$word" ;;
    secret) _telltale_words "rotate" "$word" ;;
    config) _telltale_words "check show" "$word" ;;
  esac
  if ((names > 0)); then
    return
  fi
  case $command in
    options | metrics | audit | "instance show" | "instance delete" | "instance revoke" | "instance move")
      _telltale_words "$(_telltale_names)" "$word" ;;
    "instance put" | "config check")
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
  esac
}

complete -F _telltale telltale
